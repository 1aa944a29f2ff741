#include "storage/rocksdb/series_chunks.h"

#include <algorithm>
#include <limits>

#include "base/status_macros.h"
#include "rocksdb/iterator.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace millstream::storage {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kTimeMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kTimeMax = std::numeric_limits<int64_t>::max();

// Single points are listed in groups of this many neighbours.
constexpr size_t kGroupPointsMax = 1024;

}  // namespace

MetricPoint Chunk::Low() const {
  return step_ordered ? first : MetricPoint{kTimeMin, step_min, -kInfinity};
}

MetricPoint Chunk::High() const {
  return step_ordered ? last : MetricPoint{kTimeMax, step_max, kInfinity};
}

SeriesChunks::SeriesChunks(const PointsSnapshot& snapshot,
                           const std::string& prefix, const StepRange& range)
    : snapshot_(snapshot),
      prefix_(prefix),
      range_(range),
      records_(snapshot.NewIterator()) {}

SeriesChunks::~SeriesChunks() = default;

absl::Status SeriesChunks::List(std::vector<Chunk>* chunks) {
  auto record_class = [this] {
    const std::string_view key = View(records_->key());
    return key.size() > prefix_.size()
               ? static_cast<uint8_t>(key[prefix_.size()])
               : uint8_t{0};
  };
  auto valid = [this] {
    return records_->Valid() && View(records_->key()).starts_with(prefix_);
  };
  for (records_->Seek(prefix_); valid(); records_->Next()) {
    if (record_class() == kPackedClass) {
      // Their summaries say enough.
      records_->Seek(prefix_ + static_cast<char>(kSummaryClass));
      if (!valid()) break;
    }
    if (record_class() > kSummaryClass) break;
    RETURN_IF_ERROR(AddRecord(chunks));
  }
  std::erase_if(*chunks,
                [this](const Chunk& chunk) { return !Overlaps(chunk); });
  return FromRocksDb(records_->status());
}

absl::Status SeriesChunks::ListPacked(int64_t time_min, int64_t time_max,
                                      std::vector<Chunk>* chunks) {
  const std::string summaries = prefix_ + static_cast<char>(kSummaryClass);
  auto at_summary = [&] {
    return records_->Valid() && View(records_->key()).starts_with(summaries);
  };
  // They do not overlap: the last that begins before may reach into the time.
  std::string target = summaries;
  AppendPoint({time_min, kTimeMin, -kInfinity}, &target);
  records_->SeekForPrev(target);
  if (!at_summary()) records_->Seek(target);
  for (; at_summary(); records_->Next()) {
    RETURN_IF_ERROR(AddRecord(chunks));
    if (chunks->back().first.timestamp_ms > time_max) {
      chunks->pop_back();
      break;
    }
    if (!Overlaps(chunks->back())) chunks->pop_back();
  }
  return FromRocksDb(records_->status());
}

absl::StatusOr<bool> SeriesChunks::ReadLoose(const LooseExtent* extent,
                                             size_t limit,
                                             std::vector<MetricPoint>* points) {
  if (extent == nullptr) return ReadLooseFrom(prefix_, -1, limit, points);
  // Up to `limit` of each class are read; together there may be a few more.
  for (int c = 0; c <= kBlockClassMax; ++c) {
    if ((extent->classes >> c & 1) == 0) continue;
    std::string begin = prefix_ + static_cast<char>(c);
    AppendPoint({extent->first_ms, kTimeMin, -kInfinity}, &begin);
    ASSIGN_OR_RETURN(const bool few, ReadLooseFrom(begin, c, limit, points));
    if (!few) return false;
  }
  return true;
}

absl::StatusOr<bool> SeriesChunks::ReadLooseFrom(
    const std::string& begin, int record_class, size_t limit,
    std::vector<MetricPoint>* points) {
  const size_t already = points->size();
  for (records_->Seek(begin); records_->Valid(); records_->Next()) {
    const std::string_view key = View(records_->key());
    if (!key.starts_with(prefix_) || key.size() == prefix_.size()) break;
    const int found = static_cast<uint8_t>(key[prefix_.size()]);
    if (found > kBlockClassMax ||
        (record_class >= 0 && found != record_class)) {
      break;
    }
    if (points->size() - already > limit) return false;
    const size_t before = points->size();
    RETURN_IF_ERROR(ReadRecord(key.substr(prefix_.size()),
                               View(records_->value()), points));
    points->erase(std::remove_if(points->begin() + before, points->end(),
                                 [this](const MetricPoint& point) {
                                   return !Contains(range_, point.step);
                                 }),
                  points->end());
  }
  RETURN_IF_ERROR(FromRocksDb(records_->status()));
  return points->size() - already <= limit;
}

absl::Status SeriesChunks::AddRecord(std::vector<Chunk>* chunks) {
  const std::string_view key = View(records_->key());
  RecordSuffix suffix;
  if (!ParseRecordSuffix(key.substr(prefix_.size()), &suffix)) {
    return absl::DataLossError("malformed key of a point");
  }
  if (suffix.record_class == kSinglePointClass) {
    AddSinglePoint(key, suffix.first, chunks);
    return absl::OkStatus();
  }
  if (suffix.record_class == kSummaryClass) {
    return AddSummary(key, suffix.first, chunks);
  }
  BlockHeader header;
  RETURN_IF_ERROR(
      ParseBlockHeader(View(records_->value()), suffix.first, &header));
  Chunk& chunk = chunks->emplace_back();
  chunk.start.assign(key);
  chunk.count = header.count;
  chunk.step_ordered = header.step_ordered;
  chunk.first = suffix.first;
  chunk.last = header.last;
  chunk.step_min = header.step_min;
  chunk.step_max = header.step_max;
  return absl::OkStatus();
}

void SeriesChunks::AddSinglePoint(std::string_view key,
                                  const MetricPoint& point,
                                  std::vector<Chunk>* chunks) {
  // Single points come first.
  if (chunks->empty() || chunks->back().count == kGroupPointsMax) {
    Chunk& chunk = chunks->emplace_back();
    chunk.start.assign(key);
    chunk.first = chunk.last = point;
    chunk.step_min = chunk.step_max = point.step;
    chunk.count = 1;
    return;
  }
  Chunk& chunk = chunks->back();
  chunk.step_ordered = chunk.step_ordered && StepLess(chunk.last, point);
  chunk.last = point;
  chunk.step_min = std::min(chunk.step_min, point.step);
  chunk.step_max = std::max(chunk.step_max, point.step);
  ++chunk.count;
  ++chunk.records;
}

absl::Status SeriesChunks::AddSummary(std::string_view key,
                                      const MetricPoint& first,
                                      std::vector<Chunk>* chunks) {
  BlockSummary summary;
  if (!ParseSummary(View(records_->value()), first, &summary)) {
    return absl::DataLossError("malformed summary of a packed block");
  }
  Chunk& chunk = chunks->emplace_back();
  chunk.start.assign(key);
  chunk.start[prefix_.size()] = static_cast<char>(kPackedClass);
  chunk.count = summary.digest.count;
  chunk.step_ordered = summary.step_ordered;
  chunk.first = first;
  chunk.last = summary.last;
  chunk.step_min = summary.digest.first.step;
  chunk.step_max = summary.digest.last.step;
  chunk.digest = summary.digest;
  return absl::OkStatus();
}

absl::StatusOr<size_t> SeriesChunks::Count(std::vector<Chunk>* chunks) {
  std::sort(chunks->begin(), chunks->end(), [](const Chunk& a, const Chunk& b) {
    return HistoryLess(a.first, b.first);
  });
  size_t count = 0;
  std::vector<MetricPoint> buffer;
  for (size_t i = 0; i < chunks->size();) {
    // Chunks that overlap may hold the same point twice.
    MetricPoint last = (*chunks)[i].last;
    size_t next = i + 1;
    for (; next < chunks->size() && !HistoryLess(last, (*chunks)[next].first);
         ++next) {
      last = std::max(last, (*chunks)[next].last, HistoryLess);
    }
    if (next > i + 1) {
      ASSIGN_OR_RETURN(const size_t distinct,
                       CountByReading((*chunks)[i].first, last));
      count += distinct;
    } else if (Inside((*chunks)[i])) {
      count += (*chunks)[i].count;
    } else {
      buffer.clear();
      RETURN_IF_ERROR(Load((*chunks)[i], &buffer));
      count += buffer.size();
    }
    i = next;
  }
  return count;
}

absl::StatusOr<size_t> SeriesChunks::CountByReading(const MetricPoint& first,
                                                    const MetricPoint& last) {
  // The reader begins after a point; it has the one before `first`, or none.
  MetricPoint before = first;
  const bool whole = first.timestamp_ms == kTimeMin;
  before.timestamp_ms = whole ? kTimeMin : first.timestamp_ms - 1;
  SeriesReader reader(snapshot_, prefix_, whole ? nullptr : &before);
  std::vector<MetricPoint> buffer;
  size_t count = 0;
  do {
    buffer.clear();
    RETURN_IF_ERROR(reader.Read(kBlockPointsWritten, &buffer));
    for (const MetricPoint& point : buffer) {
      if (HistoryLess(last, point)) return count;
      count += !HistoryLess(point, first) && Contains(range_, point.step);
    }
  } while (buffer.size() == kBlockPointsWritten);
  return count;
}

absl::Status SeriesChunks::Load(const Chunk& chunk,
                                std::vector<MetricPoint>* points) {
  const size_t begin = points->size();
  records_->Seek(ToSlice(chunk.start));
  for (size_t i = 0; i < chunk.records; ++i, records_->Next()) {
    if (!records_->Valid()) {
      RETURN_IF_ERROR(FromRocksDb(records_->status()));
      return absl::DataLossError("a record of points is gone");
    }
    RETURN_IF_ERROR(ReadRecord(View(records_->key()).substr(prefix_.size()),
                               View(records_->value()), points));
  }
  if (Inside(chunk)) return absl::OkStatus();
  points->erase(std::remove_if(points->begin() + begin, points->end(),
                               [this](const MetricPoint& point) {
                                 return !Contains(range_, point.step);
                               }),
                points->end());
  return absl::OkStatus();
}

}  // namespace millstream::storage
