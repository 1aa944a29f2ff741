// Databases that a URI names, whichever product's.
#ifndef MILLSTREAM_APP_SQL_DATABASE_H_
#define MILLSTREAM_APP_SQL_DATABASE_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/liveness.h"
#include "storage/durability.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/connection_pool.h"
#include "storage/sql/database.h"
#include "storage/sql/database_uri.h"

namespace millstream::app {

struct SqlDatabase {
  std::unique_ptr<storage::sql::Database> database;
  const storage::search::SqlDialect* dialect = nullptr;
  // Not a file of this machine.
  bool is_server = false;
};

struct SqlDatabaseOptions {
  // Of a file.
  storage::Durability durability = storage::Durability::kMachine;
  // Of a server.
  storage::sql::PoolOptions pool;
  absl::Duration statement_timeout = absl::Minutes(5);
  // For a server that is not there yet.
  absl::Duration wait = absl::Minutes(2);
};

// One with MLflow's tables, or for them. `name` is how whoever started the
// server knows the URI: the flag, or the setting. INVALID_ARGUMENT with it for
// a URI that makes no sense; otherwise what the backends say. Thread-safe.
absl::StatusOr<SqlDatabase> OpenSqlDatabase(
    const storage::sql::DatabaseUri& uri, std::string_view name,
    const SqlDatabaseOptions& options, const Liveness& starter);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_SQL_DATABASE_H_
