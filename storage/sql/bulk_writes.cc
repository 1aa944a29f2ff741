#include "storage/sql/bulk_writes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sql/in_list.h"

namespace millstream::storage::sql {
namespace {

constexpr std::string_view kPointColumns[] = {"run_uuid", "key",   "timestamp",
                                              "step",     "value", "is_nan"};
constexpr std::string_view kValueColumns[] = {"run_uuid", "key", "value"};
constexpr std::string_view kModelMetricColumns[] = {
    "model_id",     "metric_name",  "metric_timestamp_ms", "metric_step",
    "run_id",       "metric_value", "experiment_id",       "dataset_name",
    "dataset_digest"};

bool IsBefore(const RunValue& a, const RunValue& b) {
  return std::tie(a.run_id, a.key) < std::tie(b.run_id, b.key);
}
bool IsSame(const RunValue& a, const RunValue& b) {
  return a.run_id == b.run_id && a.key == b.key;
}

void AppendPoint(const RunSeries& series, const MetricPoint& point,
                 std::vector<Cell>* cells) {
  cells->insert(cells->end(),
                {series.run_id, series.series.key, point.timestamp_ms,
                 point.step, StoredValue(point.value),
                 Cell(std::isnan(point.value))});
}

void AppendValue(const RunValue& value, std::vector<Cell>* cells) {
  cells->insert(cells->end(), {value.run_id, value.key, value.value});
}

// Moves a row of latest_metrics forward, or leaves it.
std::string OnConflictRaise(Dialect dialect) {
  if (dialect != Dialect::kMysql) {
    return " ON CONFLICT (\"key\", run_uuid) DO UPDATE SET "
           "value = excluded.value, \"timestamp\" = excluded.\"timestamp\", "
           "step = excluded.step, is_nan = excluded.is_nan "
           "WHERE (excluded.step, excluded.\"timestamp\", excluded.value, "
           "excluded.is_nan) > (latest_metrics.step, "
           "latest_metrics.\"timestamp\", latest_metrics.value, "
           "latest_metrics.is_nan)";
  }
  // Columns are assigned one after the other, and each condition sees what was
  // assigned before. So the last to decide is assigned first: as long as the
  // columns that decide before it stand, the condition holds for those that
  // differ.
  constexpr std::string_view kNewer =
      "(VALUES(step), VALUES(\"timestamp\"), VALUES(value), VALUES(is_nan)) > "
      "(step, \"timestamp\", value, is_nan)";
  std::string sql = " ON DUPLICATE KEY UPDATE ";
  std::string_view separator;
  for (std::string_view column :
       {"is_nan", "value", "\"timestamp\"", "step"}) {
    StrAppend(&sql, separator, column, " = IF(", kNewer, ", VALUES(", column,
              "), ", column, ")");
    separator = ", ";
  }
  return sql;
}

// The first of `params`, in the caller's order, that has another value.
// REQUIRES: each was inserted or found its key taken.
absl::Status CompareParams(Connection& connection,
                           absl::Span<const RunValue> params,
                           absl::Span<const RunValue> sorted) {
  using Key = std::pair<std::string, std::string>;
  absl::flat_hash_map<Key, std::string> present;
  for (size_t begin = 0; begin < sorted.size();) {
    const std::string_view run_id = sorted[begin].run_id;
    std::vector<std::string_view> keys;
    for (; begin < sorted.size() && sorted[begin].run_id == run_id; ++begin) {
      keys.push_back(sorted[begin].key);
    }
    RETURN_IF_ERROR(ForEachRowIn(
        connection, "SELECT \"key\", value FROM params WHERE \"key\"", keys,
        " AND run_uuid = ?",
        [&](const Statement& row) {
          present[{std::string(run_id), std::string(row.Text(0))}] =
              std::string(row.Text(1));
        },
        run_id));
  }
  for (const RunValue& param : params) {
    const auto found =
        present.find(Key(std::string(param.run_id), std::string(param.key)));
    if (found == present.end()) {
      // The row that is there has another text for what the database's
      // collation takes to be the key.
      return InvalidParameter(
          "The param '", param.key, "' of run '", param.run_id,
          "' cannot be kept: the run has one whose name the database takes for "
          "the same. A collation such as utf8mb4_bin tells them apart.");
    }
    if (found->second != param.value) {
      return ParamDiffers(param.run_id, param.key, found->second, param.value);
    }
  }
  return absl::OkStatus();
}

// What makes a point of a logged model's metric one.
auto KeyOf(const RunModelMetric& metric) {
  return std::make_tuple(std::string_view(metric.metric->model_id()),
                         std::string_view(metric.metric->key()),
                         metric.metric->timestamp(), metric.metric->step(),
                         metric.run_id);
}

// No number stands for NaN there; MLflow keeps 0.
double ModelValue(const v1::Metric& metric) {
  return std::isnan(metric.value()) ? 0.0 : metric.value();
}

bool SaysTheSame(const v1::Metric& a, const v1::Metric& b) {
  return ModelValue(a) == ModelValue(b) &&
         a.dataset_name() == b.dataset_name() &&
         a.dataset_digest() == b.dataset_digest();
}

absl::Status CheckModelsExist(Connection& connection,
                              absl::Span<const RunModelMetric> metrics) {
  std::vector<std::string_view> ids;
  for (const RunModelMetric& metric : metrics) {
    if (ids.empty() || ids.back() != metric.metric->model_id()) {
      ids.push_back(metric.metric->model_id());
    }
  }
  absl::flat_hash_set<std::string> found;
  RETURN_IF_ERROR(ForEachRowIn(
      connection, "SELECT model_id FROM logged_models WHERE model_id", ids, "",
      [&](const Statement& row) { found.emplace(row.Text(0)); }));
  for (std::string_view id : ids) {
    if (!found.contains(std::string(id))) return NoModelForMetric(id);
  }
  return absl::OkStatus();
}

// One at a time: only what was sent again, or clashes, comes here.
absl::Status CompareModelMetric(Connection& connection,
                                const RunModelMetric& metric) {
  const v1::Metric& wanted = *metric.metric;
  ASSIGN_OR_RETURN(
      StatementPtr row,
      connection.Query(
          "SELECT metric_value, dataset_name, dataset_digest "
          "FROM logged_model_metrics WHERE model_id = ? AND metric_name = ? "
          "AND metric_timestamp_ms = ? AND metric_step = ? AND run_id = ?",
          wanted.model_id(), wanted.key(), wanted.timestamp(), wanted.step(),
          metric.run_id));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return absl::OkStatus();
  if (row->Double(0) == ModelValue(wanted) &&
      row->Text(1) == wanted.dataset_name() &&
      row->Text(2) == wanted.dataset_digest()) {
    return absl::OkStatus();
  }
  return ModelMetricDiffers(wanted);
}

Cell TextOrNull(const std::string& text) {
  return text.empty() ? Cell() : Cell(std::string_view(text));
}

}  // namespace

double StoredValue(double value) {
  constexpr double kMax = std::numeric_limits<double>::max();
  if (std::isnan(value) || value == 0) return 0.0;
  return std::clamp(value, -kMax, kMax);
}

absl::Status AddPoints(Transaction& transaction,
                       absl::Span<const RunSeries> series) {
  std::vector<const RunSeries*> sorted;
  size_t count = 0;
  for (const RunSeries& s : series) {
    if (s.series.points.empty()) continue;
    sorted.push_back(&s);
    count += s.series.points.size();
  }
  if (sorted.empty()) return absl::OkStatus();
  std::sort(sorted.begin(), sorted.end(),
            [](const RunSeries* a, const RunSeries* b) {
              return std::tie(a->run_id, a->series.key) <
                     std::tie(b->run_id, b->series.key);
            });
  std::vector<Cell> cells, latest;
  cells.reserve(count * std::size(kPointColumns));
  latest.reserve(sorted.size() * std::size(kPointColumns));
  std::vector<MetricPoint> points;
  for (const RunSeries* s : sorted) {
    points.assign(s->series.points.begin(), s->series.points.end());
    std::sort(points.begin(), points.end(), HistoryLess);
    for (const MetricPoint& point : points) AppendPoint(*s, point, &cells);
    AppendPoint(*s, *std::max_element(points.begin(), points.end(), StepLess),
                &latest);
  }
  const Dialect dialect = transaction.dialect();
  RETURN_IF_ERROR(transaction.InsertRowsLater(
      {.table = "metrics",
       .columns = kPointColumns,
       .cells = cells,
       .after = OnConflictDoNothing(dialect, "run_uuid")}));
  return transaction.InsertRowsLater({.table = "latest_metrics",
                                      .columns = kPointColumns,
                                      .cells = latest,
                                      .after = OnConflictRaise(dialect)});
}

absl::Status AddParams(Transaction& transaction,
                       absl::Span<const RunValue> params) {
  if (params.empty()) return absl::OkStatus();
  std::vector<RunValue> sorted(params.begin(), params.end());
  std::stable_sort(sorted.begin(), sorted.end(), IsBefore);
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (IsSame(sorted[i - 1], sorted[i]) &&
        sorted[i - 1].value != sorted[i].value) {
      return ParamDiffers(sorted[i].run_id, sorted[i].key, sorted[i - 1].value,
                          sorted[i].value);
    }
  }
  sorted.erase(std::unique(sorted.begin(), sorted.end(), IsSame),
               sorted.end());
  std::vector<Cell> cells;
  for (const RunValue& param : sorted) AppendValue(param, &cells);
  ASSIGN_OR_RETURN(
      const int64_t added,
      transaction.InsertRows(
          {.table = "params",
           .columns = kValueColumns,
           .cells = cells,
           .after = OnConflictDoNothing(transaction.dialect(), "run_uuid")}));
  if (added == static_cast<int64_t>(sorted.size())) return absl::OkStatus();
  return CompareParams(transaction, params, sorted);
}

absl::Status PutTags(Transaction& transaction,
                     absl::Span<const RunValue> tags) {
  if (tags.empty()) return absl::OkStatus();
  std::vector<RunValue> sorted(tags.begin(), tags.end());
  std::stable_sort(sorted.begin(), sorted.end(), IsBefore);
  std::vector<Cell> cells;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const bool is_last =
        i + 1 == sorted.size() || !IsSame(sorted[i], sorted[i + 1]);
    if (is_last) AppendValue(sorted[i], &cells);
  }
  return transaction.InsertRowsLater(
      {.table = "tags",
       .columns = kValueColumns,
       .cells = cells,
       .after = OnConflictUpdate(transaction.dialect(), kValueColumns, 2)});
}

absl::Status AddModelMetrics(Transaction& transaction,
                             absl::Span<const RunModelMetric> metrics) {
  if (metrics.empty()) return absl::OkStatus();
  std::vector<RunModelMetric> sorted(metrics.begin(), metrics.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const RunModelMetric& a, const RunModelMetric& b) {
                     return KeyOf(a) < KeyOf(b);
                   });
  RETURN_IF_ERROR(CheckModelsExist(transaction, sorted));
  std::vector<Cell> cells;
  int64_t rows = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const v1::Metric& metric = *sorted[i].metric;
    if (i > 0 && KeyOf(sorted[i - 1]) == KeyOf(sorted[i])) {
      if (SaysTheSame(*sorted[i - 1].metric, metric)) continue;
      return ModelMetricDiffers(metric);
    }
    ++rows;
    cells.insert(
        cells.end(),
        {std::string_view(metric.model_id()), std::string_view(metric.key()),
         int64_t{metric.timestamp()}, int64_t{metric.step()}, sorted[i].run_id,
         ModelValue(metric), sorted[i].experiment_id,
         TextOrNull(metric.dataset_name()),
         TextOrNull(metric.dataset_digest())});
  }
  ASSIGN_OR_RETURN(
      const int64_t added,
      transaction.InsertRows(
          {.table = "logged_model_metrics",
           .columns = kModelMetricColumns,
           .cells = cells,
           .after = OnConflictDoNothing(transaction.dialect(), "run_id")}));
  if (added == rows) return absl::OkStatus();
  for (const RunModelMetric& metric : metrics) {
    RETURN_IF_ERROR(CompareModelMetric(transaction, metric));
  }
  return absl::OkStatus();
}

absl::Status ParamDiffers(std::string_view run_id, std::string_view key,
                          std::string_view present, std::string_view wanted) {
  return InvalidParameter(
      "Changing param values is not allowed: run '", run_id, "' has param '",
      key, "' with value '", Shown(present), "', and the request wants '",
      Shown(wanted),
      "'. Log the new value under another key, or in a new run.");
}

absl::Status NoModelForMetric(std::string_view model_id) {
  return MakeError(
      v1::BAD_REQUEST,
      StrCat("There is no logged model with ID '", model_id, "'."));
}

absl::Status ModelMetricDiffers(const v1::Metric& metric) {
  return MakeError(
      v1::BAD_REQUEST,
      StrCat("The logged model '", metric.model_id(), "' has a value of '",
             metric.key(), "' at this time and step already; log the other "
             "one at another step."));
}

}  // namespace millstream::storage::sql
