#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "app/backup/door.h"
#include "app/backup/manifest.h"
#include "app/stores.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/data_directory.h"
#include "storage/rocksdb/rocksdb_metric_store.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/active_runs.h"
#include "storage/sql/latest_metrics.h"
#include "storage/sql/registry/sql_registry_store.h"
#include "storage/sql/sql_run_log.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sqlite/sqlite_database.h"

namespace millstream::app {
namespace {

// Of a store that does not open, whoever starts the server sees which it is.
template <typename T>
absl::StatusOr<T> Opened(const std::string& path, absl::StatusOr<T> store) {
  if (store.ok()) return store;
  return absl::Status(store.status().code(),
                      absl::StrCat("Cannot open '", path,
                                   "': ", store.status().message()));
}

class EmbeddedStores final : public Stores {
 public:
  absl::Status Open(const Config& config) {
    ASSIGN_OR_RETURN(directory_, storage::DataDirectory::Open(config.data_dir));
    ASSIGN_OR_RETURN(const bool was_backup, ForgetManifest(config.data_dir));
    if (was_backup) {
      LogWarning("'", config.data_dir, "' was a backup and is one no more, for "
                 "this server works in it. To keep a backup, restore it "
                 "(millstream restore) and start the server with that.");
      const absl::Status synced = directory_->Sync();
      if (!synced.ok()) return synced;
    }
    const std::string database = directory_->PathOf("millstream.db");
    storage::MakePrivateFile(database);
    ASSIGN_OR_RETURN(
        database_, Opened(database, storage::sqlite::SqliteDatabase::Open(
                                        database,
                                        {.durability = config.durability})));
    const std::string metrics = directory_->PathOf("metrics");
    // RocksDB would make it, and log as an error that it was not there.
    RETURN_IF_ERROR(storage::MakePrivateFolder(metrics));
    ASSIGN_OR_RETURN(metrics_,
                     Opened(metrics, storage::OpenRocksDbMetricStore(metrics)));
    RETURN_IF_ERROR(directory_->Sync());

    const storage::search::SqlDialect* dialect =
        &storage::search::SqliteDialect();
    active_runs_ = std::make_unique<storage::ActiveRuns>(database_.get());
    latest_ = std::make_unique<storage::LatestMetrics>(database_.get(),
                                                       metrics_.get());
    run_log_ = std::make_unique<storage::SqlRunLog>(
        database_.get(), metrics_.get(), active_runs_.get(), latest_.get(),
        storage::SqlRunLog::Options{.durability = config.durability});
    auto tracking = std::make_unique<storage::SqlTrackingStore>(
        database_.get(), dialect,
        storage::SqlTrackingStore::Options{
            .default_artifact_root = config.default_artifact_root,
            .active_runs = active_runs_.get(),
            .latest_metrics = latest_.get()});
    RETURN_IF_ERROR(tracking->CreateDefaultExperiment(Clock::System().NowMs()));
    tracking_ = std::move(tracking);
    registry_ =
        std::make_unique<storage::SqlRegistryStore>(database_.get(), dialect);
    RETURN_IF_ERROR(run_log_->Recover());
    OpenBackupDoor(config);
    return absl::OkStatus();
  }

  storage::TrackingStore* tracking() override { return tracking_.get(); }
  storage::RegistryStore* registry() override { return registry_.get(); }
  storage::RunLog* run_log() override { return run_log_.get(); }
  storage::MetricStore* metrics() override { return metrics_.get(); }
  bool are_shared() const override { return false; }
  void AppendReadings(Readings* readings) const override {
    database_->AppendReadings(readings);
    metrics_->AppendReadings(readings);
  }

 private:
  void OpenBackupDoor(const Config& config) {
    std::string artifacts = config.artifacts_dir.empty()
                                ? config.artifacts_uri
                                : config.artifacts_dir;
    if (artifacts == directory_->PathOf("artifacts")) artifacts.clear();
    backup_door_ = BackupDoor::Open(
        database_.get(), metrics_.get(),
        {.data_dir = config.data_dir, .artifacts = std::move(artifacts)});
  }

  // In the order in which they need one another; destroyed in reverse.
  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<storage::sql::Database> database_;
  std::unique_ptr<storage::RocksDbMetricStore> metrics_;
  std::unique_ptr<storage::ActiveRuns> active_runs_;
  std::unique_ptr<storage::LatestMetrics> latest_;
  std::unique_ptr<storage::SqlRunLog> run_log_;
  std::unique_ptr<storage::TrackingStore> tracking_;
  std::unique_ptr<storage::RegistryStore> registry_;
  // Null: the folder can have none.
  std::unique_ptr<BackupDoor> backup_door_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Stores>> OpenEmbeddedStores(
    const Config& config) {
  auto stores = std::make_unique<EmbeddedStores>();
  RETURN_IF_ERROR(stores->Open(config));
  return stores;
}

absl::StatusOr<std::unique_ptr<Stores>> OpenStores(const Config& config,
                                                   const Liveness& starter) {
  return config.backend.has_value() ? OpenSqlStores(config, starter)
                                    : OpenEmbeddedStores(config);
}

}  // namespace millstream::app
