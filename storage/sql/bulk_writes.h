// Writes of many rows to MLflow's tables of runs (Schema::kMlflow), each kind
// in as few statements as the database takes. Right whatever other servers
// write at the same time: what is there already is told by the rows' keys, and
// rows are written in the order of their keys, so that writers that meet wait
// for each other and do not lock each other out.
//
// Everything is borrowed. Functions are thread-safe. REQUIRES for all: the runs
// exist. Statuses are those of storage/run_log.h.
#ifndef MILLSTREAM_STORAGE_SQL_BULK_WRITES_H_
#define MILLSTREAM_STORAGE_SQL_BULK_WRITES_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "millstream/v1/entities.pb.h"
#include "storage/metric_store.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// A param or a tag of a run.
struct RunValue {
  std::string_view run_id;
  std::string_view key;
  std::string_view value;
};

// Points of a run.
struct RunSeries {
  std::string_view run_id;
  SeriesAppend series;
};

// Metrics of a run that were measured on logged models.
struct RunModelMetric {
  std::string_view run_id;
  int64_t experiment_id = 0;
  const v1::Metric* metric = nullptr;
};

// The value as MLflow's tables hold it, where a column of its own tells NaN:
// 0 for NaN and -0.0, the greatest number for infinity.
double StoredValue(double value);

// Adds the points that are new, and moves the latest metrics forward (step
// order, storage/metric_point.h).
absl::Status AddPoints(Transaction& transaction,
                       absl::Span<const RunSeries> series);

// Adds params that are new. INVALID_PARAMETER_VALUE: one has another value.
absl::Status AddParams(Transaction& transaction,
                       absl::Span<const RunValue> params);

// Overwrites; of a repeated key the last value stays. Names of runs
// (kRunNameTag) are not touched.
absl::Status PutTags(Transaction& transaction,
                     absl::Span<const RunValue> tags);

// Adds metrics that are new. BAD_REQUEST: there is no such model, or it has
// another value at this time and step.
absl::Status AddModelMetrics(Transaction& transaction,
                             absl::Span<const RunModelMetric> metrics);

// The errors that either kind of schema has.
absl::Status ParamDiffers(std::string_view run_id, std::string_view key,
                          std::string_view present, std::string_view wanted);
absl::Status NoModelForMetric(std::string_view model_id);
absl::Status ModelMetricDiffers(const v1::Metric& metric);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_BULK_WRITES_H_
