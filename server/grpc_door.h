// The gRPC door: serves every rpc of a method table. Holds no policy; calls end
// in Dispatcher.
//
// Callers say who they are in the metadata "authorization", as over HTTP.
//
// There is no generated service code. Each service of the table is registered
// by its descriptor, one raw callback method for each rpc, so that reflection
// lists it and a new rpc needs nothing here.
//
// A failed rpc carries MLflow's error code twice: as ErrorDetail in the status
// details, and by name in the trailing metadata "millstream-error-code".
#ifndef MILLSTREAM_SERVER_GRPC_DOOR_H_
#define MILLSTREAM_SERVER_GRPC_DOOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "server/connection_guard.h"
#include "server/dispatcher.h"
#include "server/stream_registry.h"

namespace millstream::server {

// PEM files, as the REST door has them; without a certificate there is no TLS.
// They are read again when they change.
struct GrpcTlsFiles {
  std::string certificate;
  std::string key;
  // If not empty, callers must have a certificate of one of these.
  std::string client_ca;
};

// What callers may have of a door at a time, and how long it waits for them:
// for a request, for the first message of a transfer and for each that follows,
// until each piece of a download is taken, and until an answer is, for which
// they get more time the larger it is. Streams have bounds of their own.
struct GrpcDoorBounds {
  ConnectionBounds connections = {};
  // Requests of calls that have one answer, on their way for a second or more.
  // gRPC does not say how large one is before it is there.
  StreamCounts requests = {.open = limits::kGrpcAnswersMax,
                           .open_each = limits::kGrpcAnswersEachMax};
  absl::Duration request_patience =
      absl::Milliseconds(limits::kStreamFirstMessageMsMax) +
      absl::Seconds(limits::kGrpcMessageBytesMax /
                    limits::kGrpcAnswerBytesPerSecondMin);
  // Messages that are read at a time of callers whom nobody asks who they are,
  // where others are asked: they may be as large as others.
  size_t strangers_reads =
      limits::kGrpcHeldBytesMax / limits::kGrpcMessageBytesMax;
  // A transfer is open once its first message has come.
  StreamCounts transfers = {.open = limits::kGrpcTransfersMax,
                            .open_each = limits::kGrpcTransfersEachMax,
                            .unopened = limits::kGrpcTransfersMax,
                            .unopened_each = limits::kGrpcTransfersEachMax};
  // Answers that are not taken yet, but for small ones, and their bytes as
  // MemoryBudget counts them.
  StreamCounts answers = {.open = limits::kGrpcAnswersMax,
                          .open_each = limits::kGrpcAnswersEachMax};
  size_t answer_bytes = limits::kGrpcHeldBytesMax;
  StreamPatience patience = {};
};

struct GrpcDoorOptions {
  // Numeric address or name to listen on.
  std::string host = "127.0.0.1";
  // 0 lets the system choose.
  uint16_t port = 0;
  // Handlers that may run at once; more wait.
  size_t threads_max = 16;
  GrpcTlsFiles tls = {};
  // Who calls, where proxies pass calls on: of the address that a call came
  // from, and the metadata "x-forwarded-for" of it, a list with commas. Nothing
  // if it is the address itself. Not set: always so. Thread-safe.
  std::function<std::optional<std::string>(std::string_view address,
                                           std::string_view forwarded_for)>
      caller_of = nullptr;
  // Write a line to the log for each call of a known rpc when it ends, streams
  // too.
  bool access_log = false;
  GrpcDoorBounds bounds = {};
};

// Thread-safe.
class GrpcDoor {
 public:
  // Listens and serves. UNAVAILABLE naming the flag if the address cannot be
  // had. `dispatcher` must outlive the result.
  static absl::StatusOr<std::unique_ptr<GrpcDoor>> Start(
      const GrpcDoorOptions& options, Dispatcher* dispatcher);

  // Stops as Stop(absl::ZeroDuration()) does.
  virtual ~GrpcDoor() = default;

  // The port it listens on.
  virtual uint16_t port() const = 0;

  // Takes no new calls, waits up to `grace` for those under way, then cancels
  // the rest and returns when none is left.
  virtual void Stop(absl::Duration grace) = 0;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_GRPC_DOOR_H_
