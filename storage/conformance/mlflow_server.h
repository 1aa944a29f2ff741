// MLflow's tables on a database server that the tests of a binary share.
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_MLFLOW_SERVER_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_MLFLOW_SERVER_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage/conformance/database_server.h"
#include "storage/conformance/mlflow_stores.h"
#include "storage/search/sql_dialect.h"

namespace millstream::storage {

// For the suites of mlflow_stores.h. To make the tables takes longer than most
// tests do: those of one URI are made once, and found without rows by each who
// asks for them. One at a time; not thread-safe.
std::unique_ptr<MlflowDatabase> MlflowDatabaseAt(
    DatabaseServer& server, const std::string& uri,
    const search::SqlDialect& dialect, int lanes = 0);

// Whose catalogue says of tables that we made what it was recorded to say of
// those that MLflow makes.
struct SchemaCase {
  DatabaseServer& (*server)();
  const char* recorded;  // as RecordedSchemaFacts takes it
};
class MlflowSchemaConformance : public ::testing::TestWithParam<SchemaCase> {};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_MLFLOW_SERVER_H_
