#include "storage/sql/sql_metric_store.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/status_macros.h"
#include "storage/charts/chart_sample.h"
#include "storage/sql/bulk_writes.h"
#include "storage/sql/thinned_chart.h"

namespace millstream::storage {
namespace {

using sql::Connection;
using sql::StatementPtr;
using sql::Transaction;

// In history order. Places of NaN: storage/metric_point.h.
absl::StatusOr<StatementPtr> QueryHistory(Connection& connection,
                                          std::string_view run_id,
                                          std::string_view key,
                                          const MetricPoint* after,
                                          int64_t limit) {
  if (after == nullptr) {
    return connection.Query(
        "SELECT \"timestamp\", step, value, is_nan FROM metrics "
        "WHERE run_uuid = ? AND \"key\" = ? "
        "ORDER BY \"timestamp\", step, value, is_nan LIMIT ?",
        run_id, key, limit);
  }
  return connection.Query(
      "SELECT \"timestamp\", step, value, is_nan FROM metrics "
      "WHERE run_uuid = ? AND \"key\" = ? "
      "AND (\"timestamp\", step, value, is_nan) > (?, ?, ?, ?) "
      "ORDER BY \"timestamp\", step, value, is_nan LIMIT ?",
      run_id, key, after->timestamp_ms, after->step,
      sql::StoredValue(after->value), std::isnan(after->value), limit);
}

// All points of the range.
absl::StatusOr<ChartSample> SampleExactly(Connection& connection,
                                          const sql::ChartSeries& series,
                                          size_t count, size_t max_points) {
  ChartSample sample(count, max_points);
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Query(
          "SELECT \"timestamp\", step, value, is_nan FROM metrics "
          "WHERE run_uuid = ? AND \"key\" = ? AND step >= ? AND step <= ? "
          "ORDER BY step, \"timestamp\", value, is_nan",
          series.run_id, series.key, series.range.first, series.range.last));
  while (!sample.Done()) {
    ASSIGN_OR_RETURN(const bool more, row->Step());
    if (!more) return absl::InternalError("a read was not of one moment");
    sample.Add(sql::ReadPoint(*row, 0));
  }
  return sample;
}

}  // namespace

absl::Status SqlMetricStore::Append(std::string_view run_id,
                                    absl::Span<const SeriesAppend> series,
                                    const AppendOptions& options) {
  if (options.mark != 0) {
    return absl::UnimplementedError("this store has no marks");
  }
  const bool has_frame = options.frame.number != 0;
  if (has_frame) RETURN_IF_ERROR(frames_.Prepare());
  std::vector<sql::RunSeries> all;
  all.reserve(series.size());
  for (const SeriesAppend& s : series) {
    all.push_back({.run_id = run_id, .series = s});
  }
  return database_->Write([&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::AddPoints(transaction, all));
    if (!has_frame) return absl::OkStatus();
    return sql::WriterFrames::Write(transaction, run_id, options.frame);
  });
}

absl::Status SqlMetricStore::ReadHistoryFor(const Liveness& caller,
                                            std::string_view run_id,
                                            std::string_view key,
                                            const MetricPoint* after,
                                            size_t limit,
                                            std::vector<MetricPoint>* points) {
  const size_t begin = points->size();
  const auto rows_max = static_cast<int64_t>(
      std::min<size_t>(limit, std::numeric_limits<int64_t>::max()));
  const auto read = [&](Connection& connection) -> absl::Status {
    points->resize(begin);
    ASSIGN_OR_RETURN(StatementPtr row, QueryHistory(connection, run_id, key,
                                                    after, rows_max));
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row->Step());
      if (!more) return absl::OkStatus();
      points->push_back(sql::ReadPoint(*row, 0));
    }
  };
  return database_->ReadFor(caller, read);
}

absl::Status SqlMetricStore::SampleFor(const Liveness& caller,
                                       std::string_view run_id,
                                       std::string_view key,
                                       const StepRange& range,
                                       size_t max_points,
                                       std::vector<MetricPoint>* points) {
  const size_t begin = points->size();
  const sql::ChartSeries series = {run_id, key, range};
  const auto read = [&](Connection& connection) -> absl::Status {
    points->resize(begin);
    ASSIGN_OR_RETURN(const sql::ChartExtent extent,
                     sql::ReadChartExtent(connection, series));
    const auto count = static_cast<size_t>(extent.count);
    if (count == 0) return absl::OkStatus();
    if (connection.dialect() != sql::Dialect::kSqlite &&
        max_points >= kExtremesPointsMin && count > exact_points_ &&
        count / kChartPointsExactEach > max_points) {
      return sql::ReadThinnedChart(connection, series, extent, max_points,
                                   points);
    }
    ASSIGN_OR_RETURN(
        const ChartSample sample,
        SampleExactly(connection, series, count, max_points));
    sample.Finish(points);
    return absl::OkStatus();
  };
  return database_->ReadFor(caller, read);
}

absl::Status SqlMetricStore::ReadLatest(
    std::string_view run_id,
    absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit) {
  struct Latest {
    std::string key;
    MetricPoint point;
  };
  std::vector<Latest> latest;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    latest.clear();
    ASSIGN_OR_RETURN(
        StatementPtr row,
        connection.Query("SELECT \"key\", \"timestamp\", step, value, is_nan "
                         "FROM latest_metrics WHERE run_uuid = ?",
                         run_id));
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row->Step());
      if (!more) return absl::OkStatus();
      latest.push_back({std::string(row->Text(0)), sql::ReadPoint(*row, 1)});
    }
  }));
  // Only once it is known that nothing is repeated.
  for (const Latest& l : latest) visit(l.key, l.point);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<RunMark>> SqlMetricStore::ListMarks() {
  return std::vector<RunMark>();
}

absl::Status SqlMetricStore::RemoveMarks(absl::Span<const RunMark> marks) {
  if (marks.empty()) return absl::OkStatus();
  return absl::UnimplementedError("this store has no marks");
}

}  // namespace millstream::storage
