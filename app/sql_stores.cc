#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "app/stores.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/mysql/mysql_database.h"
#include "storage/postgres/postgres_database.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/database.h"
#include "storage/sql/database_uri.h"
#include "storage/sql/registry/sql_registry_store.h"
#include "storage/sql/sql_metric_store.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sql/table_run_log.h"
#include "storage/sqlite/sqlite_database.h"

namespace millstream::app {
namespace {

using storage::sql::DatabaseUri;
using storage::sql::Engine;

// Transactions of logs that a database server is given at a time: enough to
// keep it busy while others wait for its disk, few enough to find company.
constexpr int kLogLanes = 4;

// A database of one product, and what is particular about it.
struct Backend {
  std::unique_ptr<storage::sql::Database> database;
  const storage::search::SqlDialect* dialect = nullptr;
  // As storage::TableRunLog::Options.
  int log_lanes = 0;
};

absl::StatusOr<Backend> OpenSqlite(const DatabaseUri& uri,
                                   const Config& config) {
  if (uri.database.empty() || uri.database == ":memory:") {
    return absl::InvalidArgumentError(
        "--backend-store-uri names a database in memory, which would be lost; "
        "name a file, as in sqlite:///mlflow.db.");
  }
  ASSIGN_OR_RETURN(
      auto database,
      storage::sqlite::SqliteDatabase::Open(
          uri.database, {.durability = config.durability,
                         .schema = storage::sql::Schema::kMlflow}));
  return Backend{.database = std::move(database),
                 .dialect = &storage::search::SqliteMlflowDialect()};
}

// A database that is a server, by the options that its URI makes.
template <typename Database>
absl::StatusOr<Backend> OpenServer(
    absl::StatusOr<typename Database::Options> options,
    const storage::search::SqlDialect& dialect, const Config& config,
    const Liveness& starter) {
  RETURN_IF_ERROR(options.status());
  options->pool = config.backend_pool;
  options->statement_timeout = config.backend_statement_timeout;
  options->wait_at_start = config.backend_wait;
  ASSIGN_OR_RETURN(auto database,
                   Database::Open(*std::move(options), starter));
  return Backend{.database = std::move(database),
                 .dialect = &dialect,
                 .log_lanes = kLogLanes};
}

absl::StatusOr<Backend> OpenBackend(const DatabaseUri& uri,
                                    const Config& config,
                                    const Liveness& starter) {
  constexpr std::string_view kFlag = "--backend-store-uri";
  switch (uri.engine) {
    case Engine::kSqlite:
      return OpenSqlite(uri, config);
    case Engine::kPostgres:
      return OpenServer<storage::postgres::PostgresDatabase>(
          storage::postgres::PostgresOptionsOf(uri, kFlag),
          storage::search::PostgresDialect(), config, starter);
    case Engine::kMysql:
      return OpenServer<storage::mysql::MysqlDatabase>(
          storage::mysql::MysqlOptionsOf(uri, kFlag),
          storage::search::MysqlDialect(), config, starter);
  }
  return absl::InvalidArgumentError(
      "--backend-store-uri: databases of this kind cannot be opened yet.");
}

class SqlStores final : public Stores {
 public:
  absl::Status Open(const Config& config, const Liveness& starter) {
    ASSIGN_OR_RETURN(Backend backend,
                     OpenBackend(*config.backend, config, starter));
    database_ = std::move(backend.database);
    RETURN_IF_ERROR(storage::mlflow::PrepareSchema(
        database_.get(), config.backend->Redacted()));
    metrics_ = std::make_unique<storage::SqlMetricStore>(database_.get());
    run_log_ = std::make_unique<storage::TableRunLog>(
        database_.get(),
        storage::TableRunLog::Options{.lanes = backend.log_lanes});
    tracking_ = std::make_unique<storage::SqlTrackingStore>(
        database_.get(), backend.dialect,
        storage::SqlTrackingStore::Options{
            .default_artifact_root = config.default_artifact_root});
    registry_ = std::make_unique<storage::SqlRegistryStore>(database_.get(),
                                                            backend.dialect);
    return tracking_->CreateDefaultExperiment(Clock::System().NowMs());
  }

  storage::TrackingStore* tracking() override { return tracking_.get(); }
  storage::RegistryStore* registry() override { return registry_.get(); }
  storage::RunLog* run_log() override { return run_log_.get(); }
  storage::MetricStore* metrics() override { return metrics_.get(); }
  bool are_shared() const override { return true; }
  void AppendReadings(Readings* readings) const override {
    database_->AppendReadings(readings);
    metrics_->AppendReadings(readings);
  }

 private:
  // In the order in which they need one another; destroyed in reverse.
  std::unique_ptr<storage::sql::Database> database_;
  std::unique_ptr<storage::SqlMetricStore> metrics_;
  std::unique_ptr<storage::TableRunLog> run_log_;
  std::unique_ptr<storage::SqlTrackingStore> tracking_;
  std::unique_ptr<storage::SqlRegistryStore> registry_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Stores>> OpenSqlStores(const Config& config,
                                                      const Liveness& starter) {
  auto stores = std::make_unique<SqlStores>();
  const absl::Status opened = stores->Open(config, starter);
  if (opened.ok()) return stores;
  // Sentences about the schema and the flag say which database it is.
  if (absl::IsFailedPrecondition(opened) || absl::IsInvalidArgument(opened)) {
    return opened;
  }
  return absl::Status(
      opened.code(),
      absl::StrCat("Cannot open the database ", config.backend->Redacted(),
                   ": ", opened.message()));
}

}  // namespace millstream::app
