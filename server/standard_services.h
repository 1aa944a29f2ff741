// gRPC's own services, health and reflection, as rpcs like all others: what
// the dispatcher demands of a caller holds for them too.
#ifndef MILLSTREAM_SERVER_STANDARD_SERVICES_H_
#define MILLSTREAM_SERVER_STANDARD_SERVICES_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "grpc/health.pb.h"
#include "server/call_context.h"
#include "server/stream.h"
#include "server/stream_registry.h"

namespace millstream::server {

class MethodTable;
class AnsweringStream;

// Streams whose callers send nothing, or do not take what they are told, end
// after a while; who watches the health may do so for as long as he likes.
//
// Thread-safe. Must outlive the calls.
class StandardServices {
 public:
  struct Limits {
    StreamCounts streams = {.open = limits::kStandardStreamsMax,
                            .open_each = limits::kStandardStreamsEachMax};
    StreamPatience patience = {};
  };

  StandardServices();
  explicit StandardServices(const Limits& limits);
  ~StandardServices();

  // Binds their rpcs. `methods` tells them what the server serves and must
  // outlive this.
  void Register(MethodTable* methods);

  // Ends all streams: who watches the health is told first. Does not wait.
  void Stop();

  // RESOURCE_DOES_NOT_EXIST for a service that is not served.
  absl::Status Check(CallContext& context,
                     const grpc::health::v1::HealthCheckRequest& request,
                     grpc::health::v1::HealthCheckResponse* response);
  // RESOURCE_EXHAUSTED: there are too many such streams.
  absl::StatusOr<std::shared_ptr<StreamBody>> Watch(CallContext& context);
  absl::StatusOr<std::shared_ptr<StreamBody>> ServerReflectionInfo(
      CallContext& context);

  // As StreamRegistry has it. For tests.
  void CheckPatience(absl::Time now);

 private:
  friend class AnsweringStream;

  bool Serves(const std::string& service) const;
  absl::StatusOr<std::shared_ptr<StreamBody>> Add(
      const CallContext& context, std::shared_ptr<AnsweringStream> stream);

  const StreamPatience patience_;
  const MethodTable* methods_ = nullptr;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  StreamRegistry<AnsweringStream> streams_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_STANDARD_SERVICES_H_
