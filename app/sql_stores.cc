#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "app/sql_database.h"
#include "app/stores.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/mlflow_schema/key_collation.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/sql/database.h"
#include "storage/sql/registry/sql_registry_store.h"
#include "storage/sql/sql_metric_store.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sql/table_run_log.h"

namespace millstream::app {
namespace {

// Transactions of logs that a database server is given at a time: enough to
// keep it busy while others wait for its disk, few enough to find company.
constexpr int kLogLanes = 4;

// For whoever made the database, who may still make another.
absl::Status WarnOfLooseKeys(storage::sql::Database* database) {
  ASSIGN_OR_RETURN(const std::string collation,
                   storage::mlflow::LooseKeyCollation(database));
  if (collation.empty()) return absl::OkStatus();
  LogWarning(
      "The database takes names that differ in case alone for one (collation ",
      collation, "): of experiments and models, and keys of params, tags and "
      "metrics. Make it with COLLATE utf8mb4_bin to tell them apart.");
  return absl::OkStatus();
}

class SqlStores final : public Stores {
 public:
  absl::Status Open(const Config& config, const Liveness& starter) {
    ASSIGN_OR_RETURN(
        SqlDatabase backend,
        OpenSqlDatabase(*config.backend, "--backend-store-uri",
                        {.durability = config.durability,
                         .pool = config.backend_pool,
                         .statement_timeout = config.backend_statement_timeout,
                         .wait = config.backend_wait},
                        starter));
    database_ = std::move(backend.database);
    RETURN_IF_ERROR(storage::mlflow::PrepareSchema(
        database_.get(), config.backend->Redacted()));
    RETURN_IF_ERROR(WarnOfLooseKeys(database_.get()));
    metrics_ = std::make_unique<storage::SqlMetricStore>(database_.get());
    run_log_ = std::make_unique<storage::TableRunLog>(
        database_.get(),
        storage::TableRunLog::Options{
            .lanes = backend.is_server ? kLogLanes : 0});
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
