#include "storage/rocksdb/step_sampler.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "storage/charts/chart_sample.h"
#include "storage/rocksdb/rollup_sampler.h"
#include "storage/rocksdb/series_chunks.h"

namespace millstream::storage {
namespace {

// Merges the points of chunks in step order into a sample.
class RankSampler {
 public:
  RankSampler(const PointsSnapshot& snapshot, const std::string& prefix,
              const StepRange& range)
      : source_(snapshot, prefix, range) {}

  absl::Status Run(size_t max_points, std::vector<MetricPoint>* points) {
    RETURN_IF_ERROR(source_.List(&chunks_));
    ASSIGN_OR_RETURN(const size_t count, source_.Count(&chunks_));
    if (count == 0) return absl::OkStatus();
    std::sort(chunks_.begin(), chunks_.end(),
              [](const Chunk& a, const Chunk& b) {
                return StepLess(a.Low(), b.Low());
              });
    ChartSample sample(count, max_points);
    RETURN_IF_ERROR(Merge(&sample));
    sample.Finish(points);
    return absl::OkStatus();
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

  absl::Status Merge(ChartSample* sample) {
    size_t next_chunk = 0;
    while (!sample->Done()) {
      if (open_.empty()) {
        if (next_chunk == chunks_.size()) {
          return absl::DataLossError("points are gone");
        }
        if (CanSkip(next_chunk, *sample)) {
          const Chunk& chunk = chunks_[next_chunk++];
          PointsDigest digest = chunk.digest;
          digest.count = chunk.count;
          sample->Skip(digest);
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
      TakeLeast(next_chunk, sample);
    }
    return absl::OkStatus();
  }

  // REQUIRES: nothing is open. The sample does not want this chunk's points one
  // by one, and none of them is in, or comes after one of, a chunk to come.
  bool CanSkip(size_t index, const ChartSample& sample) const {
    const Chunk& chunk = chunks_[index];
    return source_.Inside(chunk) && sample.Skippable() >= chunk.count &&
           (!sample.WantsDigest() || chunk.digest.count > 0) &&
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
    RETURN_IF_ERROR(source_.Load(chunk, &cursor->points));
    if (cursor->points.empty()) return absl::OkStatus();
    if (!chunk.step_ordered) {
      std::sort(cursor->points.begin(), cursor->points.end(), StepLess);
    }
    open_.push_back(std::move(cursor));
    std::push_heap(open_.begin(), open_.end(), Later());
    return absl::OkStatus();
  }

  void Take(const MetricPoint& point, ChartSample* sample) {
    if (has_last_ && SamePoint(point, last_)) return;
    has_last_ = true;
    last_ = point;
    sample->Add(point);
  }

  // Takes the least open point, unless it was there before; all points of its
  // chunk if nothing else is open or comes between.
  void TakeLeast(size_t next_chunk, ChartSample* sample) {
    std::pop_heap(open_.begin(), open_.end(), Later());
    Cursor& cursor = *open_.back();
    if (open_.size() == 1 &&
        (next_chunk == chunks_.size() ||
         StepLess(cursor.points.back(), chunks_[next_chunk].Low()))) {
      for (; cursor.next < cursor.points.size(); ++cursor.next) {
        Take(cursor.head(), sample);
      }
    } else {
      Take(cursor.head(), sample);
      ++cursor.next;
    }
    if (cursor.next < cursor.points.size()) {
      std::push_heap(open_.begin(), open_.end(), Later());
    } else {
      spare_.push_back(std::move(open_.back()));
      open_.pop_back();
    }
  }

  SeriesChunks source_;
  std::vector<Chunk> chunks_;

  // Of the merge: last_ is the point before.
  bool has_last_ = false;
  MetricPoint last_;
  std::vector<std::unique_ptr<Cursor>> open_;  // a heap, the least on top
  std::vector<std::unique_ptr<Cursor>> spare_;
};

}  // namespace

absl::Status SampleSeries(const PointsSnapshot& snapshot,
                          const PackingOptions& options,
                          const std::string& prefix, const LooseExtent* loose,
                          const StepRange& range, size_t max_points,
                          std::vector<MetricPoint>* points) {
  ASSIGN_OR_RETURN(const bool done,
                   RollupSampler(snapshot, options, prefix, loose, range,
                                 max_points)
                       .Run(points));
  if (done) return absl::OkStatus();
  return RankSampler(snapshot, prefix, range).Run(max_points, points);
}

}  // namespace millstream::storage
