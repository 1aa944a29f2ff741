// Digests of the packed points of a series by their steps: of buckets of
// 4^level steps, at some neighbouring levels. A bucket's number is its steps
// divided by that, rounded down.
//
//   run metric kSeriesInfoClass                      what there is:
//     format 1 byte, kSeriesInfoFormat; packed points (varint); finest level
//     (1 byte), levels (1 byte); of each level its buckets that have points
//     (varint)
//   run metric kRollupClass+level bucket             points_digest.h, with the
//     bucket's first step and time 0 as its base
//
// A series gets them when it has many packed points (PackingOptions), so that
// all smaller ones cost nothing; the finest level then has buckets of some
// hundred points on average. If later points lie so far apart that buckets
// become emptier, the finest level is dropped; if there are more and more, a
// coarser one is added. They are written in the batch that packs the points and
// are exact always.
//
// Bucket numbers sort as steps do, so one scan reads a range of steps at one
// level. Reaches the disk (docs/storage_format.md): what exists does not
// change.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_ROLLUPS_H_
#define MILLSTREAM_STORAGE_ROCKSDB_ROLLUPS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "storage/metric_point.h"
#include "storage/rocksdb/packing_options.h"
#include "storage/rocksdb/points_digest.h"
#include "storage/rocksdb/series_reader.h"

namespace rocksdb {
class WriteBatch;
}

namespace millstream::storage {

inline constexpr uint8_t kSeriesInfoFormat = 1;
// 4^31 steps are half of all.
inline constexpr int kRollupLevelMax = 31;

inline int64_t BucketOf(int64_t step, int level) { return step >> (2 * level); }
// First and last step of a bucket.
inline int64_t BucketFirst(int64_t bucket, int level) {
  return static_cast<int64_t>(static_cast<uint64_t>(bucket) << (2 * level));
}
inline int64_t BucketLast(int64_t bucket, int level) {
  return BucketFirst(bucket, level) +
         static_cast<int64_t>((uint64_t{1} << (2 * level)) - 1);
}

struct SeriesInfo {
  uint64_t packed_points = 0;
  // The first is the finest level; empty: no rollups.
  int finest = 0;
  std::vector<uint64_t> level_buckets;

  bool HasRollups() const { return !level_buckets.empty(); }
  int coarsest() const {
    return finest + static_cast<int>(level_buckets.size()) - 1;
  }
};

void EncodeSeriesInfo(const SeriesInfo& info, std::string* out);
bool ParseSeriesInfo(std::string_view bytes, SeriesInfo* info);

// All below: `prefix` is the series' (AppendSeriesPrefix); statuses are those
// of MetricStore.

// A series that was never packed has SeriesInfo().
absl::Status ReadSeriesInfo(const PointsSnapshot& snapshot,
                            const std::string& prefix, SeriesInfo* info);

// Calls `visit` with the buckets from first to last that have points,
// ascending.
absl::Status ScanRollups(
    const PointsSnapshot& snapshot, const std::string& prefix, int level,
    int64_t first, int64_t last,
    absl::FunctionRef<void(int64_t bucket, const PointsDigest& digest)> visit);

// Adds points that are being packed to a series' rollups. Used once.
class RollupWriter {
 public:
  // `snapshot` has the series as it is without the points. All outlive this.
  RollupWriter(const PointsSnapshot& snapshot, const PackingOptions& options,
               const std::string& prefix, rocksdb::WriteBatch* batch)
      : snapshot_(snapshot),
        options_(options),
        prefix_(prefix),
        batch_(batch) {}

  // Puts what changes into the batch. `points` in any order; none of them was
  // packed before.
  absl::Status Add(std::vector<MetricPoint> points);

 private:
  // Ascending buckets of one level.
  using Digests = std::vector<std::pair<int64_t, PointsDigest>>;

  // Reads info_, or makes it of the summaries of a series that has none.
  absl::Status ReadInfo();
  // Begins rollups of a series that has none, with all its points.
  absl::Status Build(absl::Span<const MetricPoint> points);
  absl::Status Update(absl::Span<const MetricPoint> points);
  // Adds to the records of a level; returns how many are new.
  absl::Status Apply(int level, const Digests& added, uint64_t* buckets);
  void Put(int level, int64_t bucket, const PointsDigest& digest);
  // Appends levels until the last has few buckets. `coarsest` is the last one.
  void AddLevels(Digests coarsest);
  void DropSparseLevels();

  // Buckets four times as wide.
  static Digests Coarsen(const Digests& digests);

  const PointsSnapshot& snapshot_;
  const PackingOptions& options_;
  const std::string& prefix_;
  rocksdb::WriteBatch* const batch_;
  SeriesInfo info_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_ROLLUPS_H_
