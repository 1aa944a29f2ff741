// MetricStore::Sample on the records of a series.
//
// Steps are not the order of the keys, yet most series ascend in both. So the
// records are listed first by what their headers say, nothing decoded; then the
// list is merged in step order, and a record that no other overlaps is decoded
// only if a point of the sample lies in it. Exact in every case: where records
// overlap in history order, and might hold the same point twice, all points are
// read to count them. Memory: the list (about 100 bytes per 1,000 points) and
// the points of those records that overlap in steps at one place.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_STEP_SAMPLER_H_
#define MILLSTREAM_STORAGE_ROCKSDB_STEP_SAMPLER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "storage/metric_store.h"
#include "storage/rocksdb/series_reader.h"

namespace millstream::storage {

// `prefix` is the series' (AppendSeriesPrefix). Otherwise as
// MetricStore::Sample. Thread-safe.
absl::Status SampleSeries(const PointsSnapshot& snapshot,
                          const std::string& prefix, const StepRange& range,
                          size_t max_points, std::vector<MetricPoint>* points);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_STEP_SAMPLER_H_
