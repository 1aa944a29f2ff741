// All that a server's catalogue says of the tables of a database, to compare
// one that we made with what was recorded of one that MLflow made.
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_SCHEMA_FACTS_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_SCHEMA_FACTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/sql/database.h"

namespace millstream::storage {

// A line for each column, key, check, index and trigger, sorted, of the
// database that is connected to; tables of our own left out. PostgreSQL 15 and
// MariaDB 10.11 spell them so. Thread-safe.
absl::StatusOr<std::vector<std::string>> ReadSchemaFacts(
    sql::Connection& connection);

// What was recorded: storage/mlflow_schema/testdata/<name>.txt.
std::vector<std::string> RecordedSchemaFacts(const std::string& name);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_SCHEMA_FACTS_H_
