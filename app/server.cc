#include "app/server.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "app/callers.h"
#include "app/process_limits.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "gateway/rest_door.h"
#include "server/announcing_run_log.h"
#include "server/artifact_locations.h"
#include "server/artifact_service.h"
#include "server/dispatcher.h"
#include "server/grpc_door.h"
#include "server/ingest_budget.h"
#include "server/method_table.h"
#include "server/registry_service.h"
#include "server/run_feed.h"
#include "server/standard_services.h"
#include "server/stream_service.h"
#include "server/tracking_service.h"
#include "storage/artifact/local_artifact_store.h"
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

// Descriptors that are not for connections: of the stores, of files on their
// way, and of what listens.
constexpr int kOtherFiles = 512;

// How many connections the REST door may have. As many are left to the other.
int ConnectionsMax(int files_max) {
  const int ordinary = gateway::RestOptions().connections_max;
  return std::clamp((files_max - kOtherFiles) / 2, 16, ordinary);
}

// Of a store that does not open, whoever starts the server sees which it is.
template <typename T>
absl::StatusOr<T> Opened(const std::string& path, absl::StatusOr<T> store) {
  if (store.ok()) return store;
  return absl::Status(store.status().code(),
                      absl::StrCat("Cannot open '", path,
                                   "': ", store.status().message()));
}

// The stores of a data folder: SQLite for what is relational, RocksDB for the
// points of metrics.
class Stores {
 public:
  static absl::StatusOr<std::unique_ptr<Stores>> Open(const Config& config) {
    auto stores = std::make_unique<Stores>();
    RETURN_IF_ERROR(stores->OpenAll(config));
    return stores;
  }

  storage::TrackingStore* tracking() { return tracking_.get(); }
  storage::RegistryStore* registry() { return registry_.get(); }
  storage::RunLog* run_log() { return run_log_.get(); }
  storage::MetricStore* metrics() { return metrics_.get(); }

  // The proxy's folder, and the folder that --default-artifact-root names if it
  // is another one of this machine.
  server::ArtifactLocations Locations(const Config& config) {
    std::vector<server::ArtifactLocations::LocalRoot> roots;
    roots.push_back({config.artifacts_dir, artifacts_.get()});
    if (root_artifacts_ != nullptr) {
      roots.push_back({config.artifact_root_dir, root_artifacts_.get()});
    }
    return server::ArtifactLocations(
        config.serve_artifacts ? artifacts_.get() : nullptr, std::move(roots));
  }

 private:
  absl::Status OpenAll(const Config& config) {
    ASSIGN_OR_RETURN(directory_, storage::DataDirectory::Open(config.data_dir));
    const std::string database = directory_->PathOf("millstream.db");
    ASSIGN_OR_RETURN(
        database_, Opened(database, storage::sqlite::SqliteDatabase::Open(
                                        database,
                                        {.durability = config.durability})));
    const std::string metrics = directory_->PathOf("metrics");
    ASSIGN_OR_RETURN(metrics_,
                     Opened(metrics, storage::OpenRocksDbMetricStore(metrics)));
    RETURN_IF_ERROR(directory_->Sync());
    RETURN_IF_ERROR(OpenArtifacts(config));

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
    return run_log_->Recover();
  }

  absl::Status OpenArtifacts(const Config& config) {
    ASSIGN_OR_RETURN(artifacts_, storage::OpenLocalArtifactStore(
                                     {.folder = config.artifacts_dir,
                                      .durability = config.durability}));
    if (!config.artifact_root_dir.empty() &&
        config.artifact_root_dir != config.artifacts_dir) {
      ASSIGN_OR_RETURN(root_artifacts_, storage::OpenLocalArtifactStore(
                                            {.folder = config.artifact_root_dir,
                                             .durability = config.durability}));
    }
    return absl::OkStatus();
  }

  // In the order in which they need one another; destroyed in reverse.
  std::unique_ptr<storage::DataDirectory> directory_;
  std::unique_ptr<storage::sql::Database> database_;
  std::unique_ptr<storage::MetricStore> metrics_;
  std::unique_ptr<storage::ArtifactStore> artifacts_;
  std::unique_ptr<storage::ArtifactStore> root_artifacts_;
  std::unique_ptr<storage::ActiveRuns> active_runs_;
  std::unique_ptr<storage::LatestMetrics> latest_;
  std::unique_ptr<storage::SqlRunLog> run_log_;
  std::unique_ptr<storage::TrackingStore> tracking_;
  std::unique_ptr<storage::RegistryStore> registry_;
};

class ServerImpl final : public Server {
 public:
  ServerImpl(const Config& config, std::unique_ptr<Stores> stores,
             std::unique_ptr<auth::Gate> gate)
      : gate_(std::move(gate)),
        stores_(std::move(stores)),
        feed_([this](std::string_view run_id) { return ExperimentOf(run_id); },
              &Clock::System(), {}),
        run_log_(stores_->run_log(), &feed_),
        tracking_(stores_->tracking(), &run_log_, stores_->metrics(),
                  &Clock::System(),
                  // Multipart uploads work for clients that ask for them.
                  // None is told to: to a folder, one streamed upload writes
                  // each byte once.
                  {}, &feed_),
        registry_(stores_->registry(), stores_->tracking(), &Clock::System()),
        artifacts_(stores_->tracking(), stores_->registry(),
                   stores_->Locations(config)),
        streams_(&run_log_, stores_->tracking(), stores_->metrics(), &feed_,
                 &budget_) {
    tracking_.Register(&methods_);
    registry_.Register(&methods_);
    artifacts_.Register(&methods_);
    streams_.Register(&methods_);
    standard_.Register(&methods_);
  }

  ~ServerImpl() override {
    streams_.Stop();
    standard_.Stop();
    std::thread grpc([this] {
      if (grpc_ != nullptr) grpc_->Stop(absl::Milliseconds(limits::kStopMsMax));
    });
    if (rest_ != nullptr) rest_->Stop();
    grpc.join();
  }

  absl::Status Open(const Config& config) {
    RETURN_IF_ERROR(methods_.Check());
    ASSIGN_OR_RETURN(grpc_, server::GrpcDoor::Start(
                                {.host = config.host,
                                 .port = config.grpc_port,
                                 .tls = {config.tls_cert, config.tls_key,
                                         config.tls_client_ca}},
                                &dispatcher_));
    gateway::RestOptions options;
    options.host = config.host;
    options.port = config.port;
    options.tls = {config.tls_cert, config.tls_key, config.tls_client_ca};
    options.trusted_proxies = config.trusted_proxies;
    options.static_prefix = config.static_prefix;
    options.ui_dir = config.ui_dir;
    options.allowed_hosts = config.allowed_hosts;
    options.cors_allowed_origins = config.cors_allowed_origins;
    options.x_frame_options = config.x_frame_options;
    options.connections_max = ConnectionsMax(RaiseFileLimit());
    options.disable_security_middleware = config.disable_security_middleware;
    ASSIGN_OR_RETURN(rest_, gateway::RestDoor::Start(options, &dispatcher_));
    return absl::OkStatus();
  }

  uint16_t port() const override { return rest_->port(); }
  uint16_t grpc_port() const override { return grpc_->port(); }

 private:
  absl::StatusOr<std::string> ExperimentOf(std::string_view run_id) {
    v1::RunInfo info;
    RETURN_IF_ERROR(stores_->tracking()->GetRunInfo(run_id, &info));
    return info.experiment_id();
  }

  const std::unique_ptr<auth::Gate> gate_;
  const std::unique_ptr<Stores> stores_;
  server::RunFeed feed_;
  server::AnnouncingRunLog run_log_;
  server::TrackingService tracking_;
  server::ModelRegistryService registry_;
  server::ArtifactService artifacts_;
  server::IngestBudget budget_;
  server::StreamService streams_;
  server::StandardServices standard_;
  server::MethodTable methods_;
  server::Dispatcher dispatcher_{&methods_, &budget_, gate_.get()};
  std::unique_ptr<server::GrpcDoor> grpc_;
  std::unique_ptr<gateway::RestDoor> rest_;
  MemoryKeeper memory_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config) {
  ASSIGN_OR_RETURN(std::unique_ptr<auth::Gate> gate, MakeGate(config));
  ASSIGN_OR_RETURN(std::unique_ptr<Stores> stores, Stores::Open(config));
  auto server = std::make_unique<ServerImpl>(config, std::move(stores),
                                             std::move(gate));
  RETURN_IF_ERROR(server->Open(config));
  return server;
}

}  // namespace millstream::app
