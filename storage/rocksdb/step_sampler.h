// MetricStore::Sample on the records of a series, in two ways.
//
// By ranks (storage/charts/chart_sample.h), exactly: the records are listed by
// what their headers and summaries say, and the list is merged in step order. A
// packed block that no other overlaps is decoded only if a point of the
// reference sample or the end of a group lies in it; its summary serves
// otherwise. Where records overlap in history order, and might hold the same
// point twice, they are read to count. Cost: all points of a series of some
// hundred thousand; of a larger one its summaries, and a block for each point
// of the answer. Memory: the list (about 300 bytes for each packed block) and
// the points of those records that overlap in steps at one place.
//
// By steps, from rollups (rollups.h), with more than exact_points and
// exact_points_each for each point asked for (PackingOptions), as counted with
// points twice that are both loose and packed: (max_points - 2) / 2 groups of
// neighbouring steps, of as many buckets each, give or take one; the buckets
// are of the widest level of which the range touches two for each group. The
// answer has the first and the last point of all, and of each group the points
// with the least and the greatest value (of several the first), or its first
// point if it has only NaN. If room is left: the first NaN of groups that have
// some, as far as it goes; then the first points of all groups, if there is
// room for all; then their last points. So no extreme of a group is lost. Cost:
// some thousand rollups and loose points, and one packed block or a few at each
// end of the range. If that would leave three of four groups without points
// (the steps of many points are the same, or lie in heaps), or the rollups are
// too coarse, the answer is by ranks.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_STEP_SAMPLER_H_
#define MILLSTREAM_STORAGE_ROCKSDB_STEP_SAMPLER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "storage/metric_store.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/packing_options.h"
#include "storage/rocksdb/series_reader.h"

namespace millstream::storage {

// `prefix` is the series' (AppendSeriesPrefix); `loose` says where its loose
// records are, if that is known, or is null. Otherwise as
// MetricStore::Sample. Thread-safe.
absl::Status SampleSeries(const PointsSnapshot& snapshot,
                          const PackingOptions& options,
                          const std::string& prefix, const LooseExtent* loose,
                          const StepRange& range, size_t max_points,
                          std::vector<MetricPoint>* points);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_STEP_SAMPLER_H_
