// Charts of series so long that a database server thins them out itself: of
// millions of points a few hundred are sent.
//
// All functions are thread-safe; arguments are borrowed.
#ifndef MILLSTREAM_STORAGE_SQL_THINNED_CHART_H_
#define MILLSTREAM_STORAGE_SQL_THINNED_CHART_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/metric_store.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// Points of one metric of a run.
struct ChartSeries {
  std::string_view run_id;
  std::string_view key;
  StepRange range;
};

// How many they are, and within what; zeros if there are none.
struct ChartExtent {
  int64_t count = 0;
  int64_t first_step = 0;
  int64_t last_step = 0;
  int64_t first_ms = 0;
  int64_t last_ms = 0;
  bool has_nan = false;
};

// Of MLflow's tables: columns timestamp, step, value and is_nan, from `first`
// on.
MetricPoint ReadPoint(const Statement& row, int first);

absl::StatusOr<ChartExtent> ReadChartExtent(Connection& connection,
                                            const ChartSeries& series);

// Appends to *points, in step order and at most max_points: the first and the
// last point; and of each of as many stretches of steps as there is room for,
// all equally long, the points with the least and the greatest value, and a NaN
// if there is one; of several the one of the least step, then time. With all
// points on one step, stretches are of time.
// REQUIRES: a database server; the extent is the series', and of the same read;
// it has points; max_points >= kExtremesPointsMin.
absl::Status ReadThinnedChart(Connection& connection,
                              const ChartSeries& series,
                              const ChartExtent& extent, size_t max_points,
                              std::vector<MetricPoint>* points);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_THINNED_CHART_H_
