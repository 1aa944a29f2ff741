#include "app/server.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "app/artifact_stores.h"
#include "app/callers.h"
#include "app/process_limits.h"
#include "app/stores.h"
#include "app/version.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "gateway/forwarded.h"
#include "gateway/rest_door.h"
#include "monitoring/monitor.h"
#include "server/announcing_run_log.h"
#include "server/artifact_locations.h"
#include "server/artifact_service.h"
#include "server/authorizer.h"
#include "server/call_monitor.h"
#include "server/dispatcher.h"
#include "server/grpc_door.h"
#include "server/ingest_budget.h"
#include "server/method_table.h"
#include "server/registry_service.h"
#include "server/run_feed.h"
#include "server/run_poller.h"
#include "server/standard_services.h"
#include "server/stream_service.h"
#include "server/tracking_service.h"
#include "server/user_service.h"

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

class ServerImpl final : public Server {
 public:
  ServerImpl(const Config& config, std::unique_ptr<Stores> stores,
             ArtifactStores artifact_stores, Callers callers)
      : callers_(std::move(callers)),
        stores_(std::move(stores)),
        artifact_stores_(std::move(artifact_stores)),
        feed_([this](std::string_view run_id) { return ExperimentOf(run_id); },
              &Clock::System(), {}),
        run_log_(stores_->run_log(), &feed_),
        tracking_(stores_->tracking(), &run_log_, stores_->metrics(),
                  &Clock::System(),
                  // To a folder multipart uploads work for clients that ask
                  // for them, but none is told to: one streamed upload writes
                  // each byte once.
                  {.multipart_uploads = artifact_stores_.has_urls(config),
                   .multipart_downloads = artifact_stores_.has_urls(config)},
                  &feed_),
        registry_(stores_->registry(), stores_->tracking(), &Clock::System()),
        locations_(artifact_stores_.Locations(config)),
        artifacts_(stores_->tracking(), stores_->registry(), locations_,
                   {.presigned_download_seconds =
                        config.presigned_download_seconds}),
        poller_(stores_->tracking(), stores_->metrics(), &feed_, {}),
        streams_(&run_log_,
                 {.feed = &feed_,
                  .store = stores_->tracking(),
                  .points = stores_->metrics(),
                  .poller = stores_->are_shared() ? &poller_ : nullptr},
                 &budget_),
        authorizer_(MakeAuthorizer()),
        users_(authorizer_ == nullptr
                   ? nullptr
                   : std::make_unique<server::UserService>(
                         callers_.users.get(), authorizer_.get(),
                         callers_.gate.get())) {
    tracking_.Register(&methods_);
    registry_.Register(&methods_);
    artifacts_.Register(&methods_);
    streams_.Register(&methods_);
    standard_.Register(&methods_);
    if (users_ != nullptr) users_->Register(&methods_);
    if (stores_->are_shared()) poller_.Start();
    if (config.expose_prometheus) Watch();
  }

  ~ServerImpl() override {
    if (monitor_ != nullptr) monitor_->StopReading();
    poller_.Stop();
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
    dispatcher_ = std::make_unique<server::Dispatcher>(
        &methods_, &budget_, callers_.gate.get(), authorizer_.get(),
        call_monitor_.get());
    ASSIGN_OR_RETURN(gateway::Forwarded forwarded,
                     gateway::Forwarded::Create(config.trusted_proxies,
                                                !config.tls_cert.empty()));
    server::GrpcDoorOptions grpc_options;
    grpc_options.host = config.host;
    grpc_options.port = config.grpc_port;
    grpc_options.access_log = config.access_log;
    grpc_options.tls = {config.tls_cert, config.tls_key, config.tls_client_ca};
    // Whom proxies name is the same at both doors.
    if (!config.trusted_proxies.empty()) {
      grpc_options.caller_of = [forwarded = std::move(forwarded)](
                                   std::string_view address,
                                   std::string_view hops) {
        return forwarded.CallerOf(address, hops);
      };
    }
    ASSIGN_OR_RETURN(grpc_, server::GrpcDoor::Start(grpc_options,
                                                    dispatcher_.get()));
    gateway::RestOptions options;
    options.host = config.host;
    options.port = config.port;
    options.tls = {config.tls_cert, config.tls_key, config.tls_client_ca};
    options.trusted_proxies = config.trusted_proxies;
    options.static_prefix = config.static_prefix;
    options.signup_page = users_ != nullptr;
    options.ui_dir = config.ui_dir;
    options.allowed_hosts = config.allowed_hosts;
    options.asks_for_credentials = callers_.gate != nullptr;
    options.cors_allowed_origins = config.cors_allowed_origins;
    options.x_frame_options = config.x_frame_options;
    options.connections_max = ConnectionsMax(RaiseFileLimit());
    options.monitor = monitor_.get();
    options.access_log = config.access_log;
    options.disable_security_middleware = config.disable_security_middleware;
    ASSIGN_OR_RETURN(rest_,
                     gateway::RestDoor::Start(options, dispatcher_.get()));
    return absl::OkStatus();
  }

  uint16_t port() const override { return rest_->port(); }
  uint16_t grpc_port() const override { return grpc_->port(); }

 private:
  std::unique_ptr<server::Authorizer> MakeAuthorizer() {
    if (callers_.users == nullptr) return nullptr;
    return std::make_unique<server::Authorizer>(
        callers_.users.get(), stores_->tracking(), stores_->registry(),
        callers_.by_default,
        [this](std::string_view uri) { return locations_.OwnPath(uri); });
  }

  // Has calls counted, and the parts read, for /metrics.
  void Watch() {
    monitor_ = std::make_unique<monitoring::Monitor>(kVersion);
    call_monitor_ =
        std::make_unique<server::CallMonitor>(monitor_.get(), methods_);
    monitor_->AddReadings([this](Readings* readings) {
      budget_.AppendReadings(readings);
      run_log_.AppendReadings(readings);
      streams_.AppendReadings(readings);
      stores_->AppendReadings(readings);
    });
  }

  absl::StatusOr<std::string> ExperimentOf(std::string_view run_id) {
    v1::RunInfo info;
    RETURN_IF_ERROR(stores_->tracking()->GetRunInfo(run_id, &info));
    return info.experiment_id();
  }

  const Callers callers_;
  const std::unique_ptr<Stores> stores_;
  const ArtifactStores artifact_stores_;
  server::RunFeed feed_;
  server::AnnouncingRunLog run_log_;
  server::TrackingService tracking_;
  server::ModelRegistryService registry_;
  const server::ArtifactLocations locations_;
  server::ArtifactService artifacts_;
  server::RunPoller poller_;
  server::IngestBudget budget_;
  server::StreamService streams_;
  server::StandardServices standard_;
  // Null without users that have permissions.
  std::unique_ptr<server::Authorizer> authorizer_;
  std::unique_ptr<server::UserService> users_;
  server::MethodTable methods_;
  // Null: nobody watches.
  std::unique_ptr<monitoring::Monitor> monitor_;
  std::unique_ptr<server::CallMonitor> call_monitor_;
  std::unique_ptr<server::Dispatcher> dispatcher_;
  std::unique_ptr<server::GrpcDoor> grpc_;
  std::unique_ptr<gateway::RestDoor> rest_;
  MemoryKeeper memory_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const Config& config, const Liveness& starter) {
  ASSIGN_OR_RETURN(Callers callers, MakeCallers(config, starter));
  ASSIGN_OR_RETURN(std::unique_ptr<Stores> stores,
                   OpenStores(config, starter));
  ASSIGN_OR_RETURN(ArtifactStores artifacts, ArtifactStores::Open(config));
  auto server = std::make_unique<ServerImpl>(
      config, std::move(stores), std::move(artifacts), std::move(callers));
  RETURN_IF_ERROR(server->Open(config));
  return server;
}

}  // namespace millstream::app
