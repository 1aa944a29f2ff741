#include "app/sql_database.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/mysql/mysql_database.h"
#include "storage/postgres/postgres_database.h"
#include "storage/sqlite/sqlite_database.h"

namespace millstream::app {
namespace {

using storage::sql::DatabaseUri;
using storage::sql::Engine;

absl::StatusOr<SqlDatabase> OpenSqlite(const DatabaseUri& uri,
                                       std::string_view name,
                                       const SqlDatabaseOptions& options) {
  if (uri.database.empty() || uri.database == ":memory:") {
    return absl::InvalidArgumentError(absl::StrCat(
        AbslView(name),
        " names a database in memory, which would be lost; name a file, as in "
        "sqlite:///mlflow.db."));
  }
  ASSIGN_OR_RETURN(
      auto database,
      storage::sqlite::SqliteDatabase::Open(
          uri.database, {.durability = options.durability,
                         .schema = storage::sql::Schema::kMlflow}));
  return SqlDatabase{.database = std::move(database),
                     .dialect = &storage::search::SqliteMlflowDialect()};
}

// A database that is a server, by the options that its URI makes.
template <typename Database>
absl::StatusOr<SqlDatabase> OpenServer(
    absl::StatusOr<typename Database::Options> made,
    const storage::search::SqlDialect& dialect,
    const SqlDatabaseOptions& options, const Liveness& starter) {
  RETURN_IF_ERROR(made.status());
  made->pool = options.pool;
  made->statement_timeout = options.statement_timeout;
  made->wait_at_start = options.wait;
  ASSIGN_OR_RETURN(auto database, Database::Open(*std::move(made), starter));
  return SqlDatabase{.database = std::move(database),
                     .dialect = &dialect,
                     .is_server = true};
}

}  // namespace

absl::StatusOr<SqlDatabase> OpenSqlDatabase(const DatabaseUri& uri,
                                            std::string_view name,
                                            const SqlDatabaseOptions& options,
                                            const Liveness& starter) {
  switch (uri.engine) {
    case Engine::kSqlite:
      return OpenSqlite(uri, name, options);
    case Engine::kPostgres:
      return OpenServer<storage::postgres::PostgresDatabase>(
          storage::postgres::PostgresOptionsOf(uri, name),
          storage::search::PostgresDialect(), options, starter);
    case Engine::kMysql:
      return OpenServer<storage::mysql::MysqlDatabase>(
          storage::mysql::MysqlOptionsOf(uri, name),
          storage::search::MysqlDialect(), options, starter);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      AbslView(name), ": databases of this kind cannot be opened."));
}

}  // namespace millstream::app
