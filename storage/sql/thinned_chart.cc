#include "storage/sql/thinned_chart.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage::sql {
namespace {

// What divides a series into stretches.
struct Axis {
  std::string_view column;
  double first = 0;
  double last = 0;
};

Axis AxisOf(const ChartExtent& extent) {
  if (extent.first_step == extent.last_step) {
    return {"\"timestamp\"", static_cast<double>(extent.first_ms),
            static_cast<double>(extent.last_ms)};
  }
  return {"step", static_cast<double>(extent.first_step),
          static_cast<double>(extent.last_step)};
}

// Three passes over the points, none of which sorts them: the least and the
// greatest value of each stretch, the least step of each of these, and the
// least time of that. Rounding must not make a stretch more than there are.
std::string ThinnedSql(std::string_view column) {
  const std::string points = StrCat(
      "(SELECT LEAST(FLOOR((", column, " - ?) / ?), ?) AS part, "
      "\"timestamp\", step, value, is_nan FROM metrics "
      "WHERE run_uuid = ? AND \"key\" = ? AND step >= ? AND step <= ?) p");
  const std::string values = StrCat(
      "(SELECT part, is_nan, MIN(value) AS low, MAX(value) AS high FROM ",
      points, " GROUP BY part, is_nan) e");
  const std::string steps = StrCat(
      "(SELECT p.part AS part, p.is_nan AS is_nan, p.value AS value, "
      "MIN(p.step) AS step FROM ", points, " JOIN ", values,
      " ON p.part = e.part AND p.is_nan = e.is_nan "
      "WHERE p.value = e.low OR p.value = e.high "
      "GROUP BY p.part, p.is_nan, p.value) s");
  return StrCat(
      "SELECT MIN(p.\"timestamp\"), p.step, p.value, p.is_nan FROM ", points,
      " JOIN ", steps,
      " ON p.part = s.part AND p.is_nan = s.is_nan AND p.value = s.value "
      "AND p.step = s.step GROUP BY p.part, p.is_nan, p.value, p.step");
}

constexpr int kPasses = 3;

absl::Status AppendRows(StatementPtr row, std::vector<MetricPoint>* points) {
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row->Step());
    if (!more) return absl::OkStatus();
    points->push_back(ReadPoint(*row, 0));
  }
}

absl::Status AppendExtremes(Connection& connection, const ChartSeries& series,
                            const Axis& axis, size_t parts,
                            std::vector<MetricPoint>* points) {
  ASSIGN_OR_RETURN(StatementPtr row,
                   connection.Prepare(ThinnedSql(axis.column)));
  const double width =
      (axis.last - axis.first + 1) / static_cast<double>(parts);
  int index = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    row->BindDouble(++index, axis.first);
    row->BindDouble(++index, width);
    row->BindDouble(++index, static_cast<double>(parts - 1));
    row->BindText(++index, series.run_id);
    row->BindText(++index, series.key);
    row->BindInt64(++index, series.range.first);
    row->BindInt64(++index, series.range.last);
  }
  return AppendRows(std::move(row), points);
}

}  // namespace

MetricPoint ReadPoint(const Statement& row, int first) {
  return {.timestamp_ms = row.Int64(first),
          .step = row.Int64(first + 1),
          .value = row.Int64(first + 3) != 0
                       ? std::numeric_limits<double>::quiet_NaN()
                       : row.Double(first + 2)};
}

absl::StatusOr<ChartExtent> ReadChartExtent(Connection& connection,
                                            const ChartSeries& series) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Query(
          "SELECT COUNT(*), MIN(step), MAX(step), MIN(\"timestamp\"), "
          "MAX(\"timestamp\"), MAX(CASE WHEN is_nan = ? THEN 1 ELSE 0 END) "
          "FROM metrics WHERE run_uuid = ? AND \"key\" = ? "
          "AND step >= ? AND step <= ?",
          true, series.run_id, series.key, series.range.first,
          series.range.last));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return ChartExtent();
  return ChartExtent{.count = row->Int64(0),
                     .first_step = row->Int64(1),
                     .last_step = row->Int64(2),
                     .first_ms = row->Int64(3),
                     .last_ms = row->Int64(4),
                     .has_nan = row->Int64(5) != 0};
}

absl::Status ReadThinnedChart(Connection& connection,
                              const ChartSeries& series,
                              const ChartExtent& extent, size_t max_points,
                              std::vector<MetricPoint>* points) {
  std::vector<MetricPoint> chosen;
  constexpr size_t kEnds = 2;
  const size_t parts = (max_points - kEnds) / (extent.has_nan ? 3 : 2);
  RETURN_IF_ERROR(AppendExtremes(connection, series, AxisOf(extent), parts,
                                 &chosen));
  for (const bool is_last : {false, true}) {
    ASSIGN_OR_RETURN(
        StatementPtr row,
        connection.Query(
            is_last ? "SELECT \"timestamp\", step, value, is_nan FROM metrics "
                      "WHERE run_uuid = ? AND \"key\" = ? AND step = ? ORDER "
                      "BY \"timestamp\" DESC, value DESC, is_nan DESC LIMIT 1"
                    : "SELECT \"timestamp\", step, value, is_nan FROM metrics "
                      "WHERE run_uuid = ? AND \"key\" = ? AND step = ? ORDER "
                      "BY \"timestamp\", value, is_nan LIMIT 1",
            series.run_id, series.key,
            is_last ? extent.last_step : extent.first_step));
    RETURN_IF_ERROR(AppendRows(std::move(row), &chosen));
  }
  std::sort(chosen.begin(), chosen.end(), StepLess);
  chosen.erase(std::unique(chosen.begin(), chosen.end(), SamePoint),
               chosen.end());
  points->insert(points->end(), chosen.begin(), chosen.end());
  return absl::OkStatus();
}

}  // namespace millstream::storage::sql
