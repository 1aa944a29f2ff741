// A sample of a series by steps, from its rollups (step_sampler.h says which
// points).
#ifndef MILLSTREAM_STORAGE_ROCKSDB_ROLLUP_SAMPLER_H_
#define MILLSTREAM_STORAGE_ROCKSDB_ROLLUP_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/metric_store.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/packing_options.h"
#include "storage/rocksdb/points_digest.h"
#include "storage/rocksdb/rollups.h"
#include "storage/rocksdb/series_reader.h"

namespace millstream::storage {

// Used once; not thread-safe.
class RollupSampler {
 public:
  // All outlive this. Parameters as SampleSeries has them.
  RollupSampler(const PointsSnapshot& snapshot, const PackingOptions& options,
                const std::string& prefix, const LooseExtent* loose,
                const StepRange& range, size_t max_points);

  // Appends the sample; false, and nothing appended, if it is not to be had or
  // not wanted this way. Statuses of MetricStore.
  absl::StatusOr<bool> Run(std::vector<MetricPoint>* points);

 private:
  // Cuts range_ to the steps that the series has. False: there are none.
  absl::StatusOr<bool> FindEnds();
  // Chooses level_. False: none is fine enough.
  bool ChooseLevel();
  size_t GroupOf(int64_t step) const;
  // Fills groups_ with the packed points.
  absl::Status ReadGroups();
  // Adds those points of a bucket that are in the range.
  absl::Status AddBucket(int level, int64_t bucket, const PointsDigest& digest,
                         PointsDigest* sum);
  absl::Status AddPoints(int64_t bucket, const PointsDigest& digest,
                         PointsDigest* sum);
  void Choose(std::vector<MetricPoint>* points) const;

  const PointsSnapshot& snapshot_;
  const PackingOptions& options_;
  const std::string& prefix_;
  const LooseExtent* const extent_;
  StepRange range_;
  const size_t max_points_;

  SeriesInfo info_;
  std::vector<MetricPoint> loose_;
  // Whose buckets make the groups.
  int level_ = 0;
  int64_t first_bucket_ = 0;
  std::vector<PointsDigest> groups_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_ROLLUP_SAMPLER_H_
