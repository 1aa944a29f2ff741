// gRPC's own services, health and reflection, as rpcs like all others: what
// the dispatcher demands of a caller holds for them too.
#ifndef MILLSTREAM_SERVER_STANDARD_SERVICES_H_
#define MILLSTREAM_SERVER_STANDARD_SERVICES_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health.pb.h"
#include "server/call_context.h"
#include "server/stream.h"

namespace millstream::server {

class MethodTable;
class AnsweringStream;

// Thread-safe. Must outlive the calls.
class StandardServices {
 public:
  StandardServices() = default;

  // Binds their rpcs. `methods` tells them what the server serves and must
  // outlive this.
  void Register(MethodTable* methods);

  // Ends all streams: who watches the health is told first. Does not wait.
  void Stop();

  // RESOURCE_DOES_NOT_EXIST for a service that is not served.
  absl::Status Check(CallContext& context,
                     const grpc::health::v1::HealthCheckRequest& request,
                     grpc::health::v1::HealthCheckResponse* response);
  // RESOURCE_EXHAUSTED for one stream more than limits::kStandardStreamsMax.
  absl::StatusOr<std::shared_ptr<StreamBody>> Watch(CallContext& context);
  absl::StatusOr<std::shared_ptr<StreamBody>> ServerReflectionInfo(
      CallContext& context);

 private:
  friend class AnsweringStream;

  bool Serves(const std::string& service) const;
  absl::StatusOr<std::shared_ptr<StreamBody>> Add(
      std::shared_ptr<AnsweringStream> stream);
  void Remove(AnsweringStream* stream);

  const MethodTable* methods_ = nullptr;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<std::shared_ptr<AnsweringStream>> streams_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_STANDARD_SERVICES_H_
