// Which letters count as one in MLflow's tables.
#ifndef MILLSTREAM_STORAGE_MLFLOW_SCHEMA_KEY_COLLATION_H_
#define MILLSTREAM_STORAGE_MLFLOW_SCHEMA_KEY_COLLATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "storage/sql/database.h"

namespace millstream::storage::mlflow {

// The collation of keys of params if it takes "LR" and "lr" for one, as the
// usual ones of MySQL do; empty if it tells them apart, as other databases do.
// REQUIRES: the tables are there. Thread-safe.
absl::StatusOr<std::string> LooseKeyCollation(sql::Database* database);

}  // namespace millstream::storage::mlflow

#endif  // MILLSTREAM_STORAGE_MLFLOW_SCHEMA_KEY_COLLATION_H_
