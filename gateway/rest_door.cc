#include "gateway/rest_door.h"

#include "base/clock.h"
#include "base/status_macros.h"
#include "gateway/front.h"
#include "gateway/http_monitor.h"
#include "gateway/http_server.h"
#include "gateway/http_tls.h"

namespace millstream::gateway {
namespace {

class RestDoorImpl final : public RestDoor {
 public:
  RestDoorImpl(std::unique_ptr<Front> front, std::unique_ptr<HttpTls> tls,
               std::unique_ptr<HttpMonitor> monitor,
               std::unique_ptr<HttpServer> server)
      : front_(std::move(front)),
        tls_(std::move(tls)),
        monitor_(std::move(monitor)),
        server_(std::move(server)) {}

  uint16_t port() const override { return server_->port(); }
  void Stop() override { server_->Stop(); }

 private:
  // The server goes first.
  const std::unique_ptr<Front> front_;
  // Null without TLS.
  const std::unique_ptr<HttpTls> tls_;
  const std::unique_ptr<HttpMonitor> monitor_;
  const std::unique_ptr<HttpServer> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RestDoor>> RestDoor::Start(
    const RestOptions& options, server::Dispatcher* dispatcher) {
  ASSIGN_OR_RETURN(std::unique_ptr<Front> front,
                   Front::Create(options, dispatcher));
  std::unique_ptr<HttpTls> tls;
  if (!options.tls.certificate.empty()) {
    ASSIGN_OR_RETURN(tls, HttpTls::Open(options.tls, &Clock::System()));
  }
  std::unique_ptr<HttpMonitor> monitor;
  if (options.monitor != nullptr) {
    monitor = std::make_unique<HttpMonitor>(options.monitor);
  }
  HttpServer::Options server_options;
  server_options.host = options.host;
  server_options.port = options.port;
  server_options.threads = options.threads;
  server_options.connections_max = options.connections_max;
  server_options.held_bytes_max = options.held_bytes_max;
  server_options.head_ms_max = options.head_ms_max;
  server_options.admission_ms_max = options.admission_ms_max;
  server_options.transfer_step_ms_max = options.transfer_step_ms_max;
  server_options.tls = tls.get();
  server_options.notes = {.monitor = monitor.get(),
                          .access_log = options.access_log};
  ASSIGN_OR_RETURN(std::unique_ptr<HttpServer> server,
                   HttpServer::Start(server_options, front.get()));
  return std::make_unique<RestDoorImpl>(std::move(front), std::move(tls),
                                        std::move(monitor),
                                        std::move(server));
}

}  // namespace millstream::gateway
