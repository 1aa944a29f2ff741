#include "storage/rocksdb/step_sampler.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "rocksdb/iterator.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/points_digest.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace millstream::storage {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kTimeMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kTimeMax = std::numeric_limits<int64_t>::max();

// Single points are listed in groups of this many neighbours.
constexpr size_t kGroupPointsMax = 1024;

// A block, or a group of single points that are neighbours.
struct Chunk {
  std::string start;  // key of its (first) record
  bool is_block = false;
  size_t count = 0;
  bool step_ordered = true;
  // Bounds in history order.
  MetricPoint first;
  MetricPoint last;
  int64_t step_min = 0;
  int64_t step_max = 0;

  // Bounds in step order; not always points of it.
  MetricPoint Low() const {
    return step_ordered ? first : MetricPoint{kTimeMin, step_min, -kInfinity};
  }
  MetricPoint High() const {
    return step_ordered ? last : MetricPoint{kTimeMax, step_max, kInfinity};
  }
};

bool Contains(const StepRange& range, int64_t step) {
  return range.first <= step && step <= range.last;
}

class Sampler {
 public:
  Sampler(const PointsSnapshot& snapshot, const std::string& prefix,
          const StepRange& range)
      : snapshot_(snapshot),
        prefix_(prefix),
        range_(range),
        records_(snapshot.NewIterator()) {}

  absl::Status Run(size_t max_points, std::vector<MetricPoint>* points) {
    RETURN_IF_ERROR(ListChunks());
    RETURN_IF_ERROR(CountPoints());
    if (count_ == 0) return absl::OkStatus();
    ChooseRanks(max_points);
    std::sort(chunks_.begin(), chunks_.end(),
              [](const Chunk& a, const Chunk& b) {
                return StepLess(a.Low(), b.Low());
              });
    return Merge(points);
  }

 private:
  // A chunk's points within the range, in step order.
  struct Cursor {
    std::vector<MetricPoint> points;
    size_t next = 0;
    const MetricPoint& head() const { return points[next]; }
  };
  struct Later {
    bool operator()(const std::unique_ptr<Cursor>& a,
                    const std::unique_ptr<Cursor>& b) const {
      return StepLess(b->head(), a->head());
    }
  };

  bool Inside(const Chunk& chunk) const {
    return Contains(range_, chunk.step_min) && Contains(range_, chunk.step_max);
  }

  absl::Status ListChunks() {
    for (records_->Seek(prefix_); records_->Valid(); records_->Next()) {
      std::string_view key = View(records_->key());
      if (!key.starts_with(prefix_)) break;
      if (ClassOf(key) == kPackedClass) {
        // Their summaries say enough.
        records_->Seek(prefix_ + static_cast<char>(kSummaryClass));
        if (!records_->Valid()) break;
        key = View(records_->key());
        if (!key.starts_with(prefix_)) break;
      }
      if (ClassOf(key) > kSummaryClass) break;
      RecordSuffix suffix;
      if (!ParseRecordSuffix(key.substr(prefix_.size()), &suffix)) {
        return absl::DataLossError("malformed key of a point");
      }
      if (suffix.record_class == kSinglePointClass) {
        AddSinglePoint(key, suffix.first);
      } else if (suffix.record_class == kSummaryClass) {
        RETURN_IF_ERROR(AddPackedBlock(key, suffix.first));
      } else {
        RETURN_IF_ERROR(AddBlock(key, suffix.first));
      }
    }
    return FromRocksDb(records_->status());
  }

  void AddSinglePoint(std::string_view key, const MetricPoint& point) {
    if (chunks_.empty() || chunks_.back().is_block ||
        chunks_.back().count == kGroupPointsMax) {
      Chunk& chunk = chunks_.emplace_back();
      chunk.start.assign(key);
      chunk.first = chunk.last = point;
      chunk.step_min = chunk.step_max = point.step;
      chunk.count = 1;
      return;
    }
    Chunk& chunk = chunks_.back();
    chunk.step_ordered = chunk.step_ordered && StepLess(chunk.last, point);
    chunk.last = point;
    chunk.step_min = std::min(chunk.step_min, point.step);
    chunk.step_max = std::max(chunk.step_max, point.step);
    ++chunk.count;
  }

  absl::Status AddBlock(std::string_view key, const MetricPoint& first) {
    BlockHeader header;
    RETURN_IF_ERROR(ParseBlockHeader(View(records_->value()), first, &header));
    Chunk& chunk = chunks_.emplace_back();
    chunk.start.assign(key);
    chunk.is_block = true;
    chunk.count = header.count;
    chunk.step_ordered = header.step_ordered;
    chunk.first = first;
    chunk.last = header.last;
    chunk.step_min = header.step_min;
    chunk.step_max = header.step_max;
    return absl::OkStatus();
  }

  absl::Status AddPackedBlock(std::string_view key, const MetricPoint& first) {
    BlockSummary summary;
    if (!ParseSummary(View(records_->value()), first, &summary)) {
      return absl::DataLossError("malformed summary of a packed block");
    }
    Chunk& chunk = chunks_.emplace_back();
    chunk.start.assign(key);
    chunk.start[prefix_.size()] = static_cast<char>(kPackedClass);
    chunk.is_block = true;
    chunk.count = summary.digest.count;
    chunk.step_ordered = summary.step_ordered;
    chunk.first = first;
    chunk.last = summary.last;
    chunk.step_min = summary.digest.first.step;
    chunk.step_max = summary.digest.last.step;
    return absl::OkStatus();
  }

  uint8_t ClassOf(std::string_view key) const {
    return key.size() > prefix_.size()
               ? static_cast<uint8_t>(key[prefix_.size()])
               : 0;
  }

  // Sets count_, the number of distinct points in the range.
  absl::Status CountPoints() {
    std::erase_if(chunks_, [&](const Chunk& chunk) {
      return chunk.step_max < range_.first || chunk.step_min > range_.last;
    });
    std::sort(chunks_.begin(), chunks_.end(),
              [](const Chunk& a, const Chunk& b) {
                return HistoryLess(a.first, b.first);
              });
    bool overlap = false;
    for (size_t i = 1; i < chunks_.size() && !overlap; ++i) {
      overlap = !HistoryLess(chunks_[i - 1].last, chunks_[i].first);
    }
    if (overlap) return CountByReading();
    std::vector<MetricPoint> buffer;
    for (const Chunk& chunk : chunks_) {
      if (Inside(chunk)) {
        count_ += chunk.count;
      } else {
        buffer.clear();
        RETURN_IF_ERROR(Load(chunk, &buffer));
        count_ += buffer.size();
      }
    }
    return absl::OkStatus();
  }

  absl::Status CountByReading() {
    SeriesReader reader(snapshot_, prefix_, nullptr);
    std::vector<MetricPoint> buffer;
    do {
      buffer.clear();
      RETURN_IF_ERROR(reader.Read(kBlockPointsWritten, &buffer));
      for (const MetricPoint& point : buffer) {
        count_ += Contains(range_, point.step);
      }
    } while (buffer.size() == kBlockPointsWritten);
    return absl::OkStatus();
  }

  // Ranks, counted from 0 in step order, of the points to take.
  void ChooseRanks(size_t max_points) {
    const size_t parts = std::min(max_points, count_);
    const size_t size = count_ / parts;
    const size_t larger = count_ % parts;
    for (size_t i = 0; i < parts; ++i) {
      ranks_.push_back(i * size + std::min(i, larger));
    }
    ranks_.back() = count_ - 1;
  }

  // Appends the points of `chunk` that are in the range, in history order.
  absl::Status Load(const Chunk& chunk, std::vector<MetricPoint>* points) {
    const size_t begin = points->size();
    records_->Seek(ToSlice(chunk.start));
    const size_t records = chunk.is_block ? 1 : chunk.count;
    for (size_t i = 0; i < records; ++i, records_->Next()) {
      if (!records_->Valid()) {
        RETURN_IF_ERROR(FromRocksDb(records_->status()));
        return absl::DataLossError("a record of points is gone");
      }
      RETURN_IF_ERROR(ReadRecord(View(records_->key()).substr(prefix_.size()),
                                 View(records_->value()), points));
    }
    if (Inside(chunk)) return absl::OkStatus();
    points->erase(std::remove_if(points->begin() + begin, points->end(),
                                 [&](const MetricPoint& point) {
                                   return !Contains(range_, point.step);
                                 }),
                  points->end());
    return absl::OkStatus();
  }

  // Walks all points of the range in step order, passing over chunks where it
  // can, and appends those of the chosen ranks.
  absl::Status Merge(std::vector<MetricPoint>* points) {
    size_t next_chunk = 0;
    while (next_rank_ < ranks_.size()) {
      if (open_.empty()) {
        if (next_chunk == chunks_.size()) {
          return absl::DataLossError("points are gone");
        }
        if (CanPass(next_chunk)) {
          rank_ += chunks_[next_chunk++].count;
          continue;
        }
        RETURN_IF_ERROR(OpenChunk(chunks_[next_chunk++]));
        continue;
      }
      // All chunks that may hold a point before the least open one.
      while (next_chunk < chunks_.size() &&
             !StepLess(open_.front()->head(), chunks_[next_chunk].Low())) {
        RETURN_IF_ERROR(OpenChunk(chunks_[next_chunk++]));
      }
      TakeLeast(points);
    }
    return absl::OkStatus();
  }

  // REQUIRES: nothing is open. No chosen point is in this chunk, and none of
  // its points is in, or comes after one of, another chunk to come.
  bool CanPass(size_t index) const {
    const Chunk& chunk = chunks_[index];
    return Inside(chunk) && ranks_[next_rank_] >= rank_ + chunk.count &&
           (index + 1 == chunks_.size() ||
            StepLess(chunk.High(), chunks_[index + 1].Low()));
  }

  absl::Status OpenChunk(const Chunk& chunk) {
    std::unique_ptr<Cursor> cursor;
    if (spare_.empty()) {
      cursor = std::make_unique<Cursor>();
    } else {
      cursor = std::move(spare_.back());
      spare_.pop_back();
      cursor->points.clear();
      cursor->next = 0;
    }
    RETURN_IF_ERROR(Load(chunk, &cursor->points));
    if (cursor->points.empty()) return absl::OkStatus();
    if (!chunk.step_ordered) {
      std::sort(cursor->points.begin(), cursor->points.end(), StepLess);
    }
    open_.push_back(std::move(cursor));
    std::push_heap(open_.begin(), open_.end(), Later());
    return absl::OkStatus();
  }

  // Takes the least open point: the one of rank_, unless it was there before.
  void TakeLeast(std::vector<MetricPoint>* points) {
    std::pop_heap(open_.begin(), open_.end(), Later());
    Cursor& cursor = *open_.back();
    const MetricPoint point = cursor.head();
    if (!has_last_ || !SamePoint(point, last_)) {
      has_last_ = true;
      last_ = point;
      if (ranks_[next_rank_] == rank_) {
        points->push_back(point);
        ++next_rank_;
      }
      ++rank_;
    }
    if (++cursor.next < cursor.points.size()) {
      std::push_heap(open_.begin(), open_.end(), Later());
    } else {
      spare_.push_back(std::move(open_.back()));
      open_.pop_back();
    }
  }

  const PointsSnapshot& snapshot_;
  const std::string& prefix_;
  const StepRange range_;
  const std::unique_ptr<rocksdb::Iterator> records_;

  std::vector<Chunk> chunks_;
  size_t count_ = 0;
  std::vector<size_t> ranks_;  // ascending, distinct

  // Of the merge: ranks_[next_rank_] is wanted next, rank_ is that of the next
  // point, last_ the point before.
  size_t next_rank_ = 0;
  size_t rank_ = 0;
  bool has_last_ = false;
  MetricPoint last_;
  std::vector<std::unique_ptr<Cursor>> open_;  // a heap, the least on top
  std::vector<std::unique_ptr<Cursor>> spare_;
};

}  // namespace

absl::Status SampleSeries(const PointsSnapshot& snapshot,
                          const std::string& prefix, const StepRange& range,
                          size_t max_points, std::vector<MetricPoint>* points) {
  return Sampler(snapshot, prefix, range).Run(max_points, points);
}

}  // namespace millstream::storage
