// The server over gRPC: calls that have one answer. No header of gRPC's shows.
#ifndef MILLSTREAM_CLIENT_CONNECTION_H_
#define MILLSTREAM_CLIENT_CONNECTION_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/server_options.h"
#include "google/protobuf/message_lite.h"

namespace grpc {
class Channel;
class ClientContext;
class Status;
}  // namespace grpc

namespace millstream::client {

// Whether a millstream server has understood what it was asked for and will
// never do it. Not so if somebody can put it right, and the same is taken
// later: who calls is not known or may not do that, or it is no millstream that
// answered (a proxy, another server at the address).
bool IsFinal(const absl::Status& status);

// The outcome of a call that is done: the same code and text, and whether a
// millstream server said so.
absl::Status FromGrpc(const grpc::Status& status,
                      const grpc::ClientContext& context);

// Thread-safe. Must outlive its calls and streams.
class Connection {
 public:
  // Does not reach for the server yet. INVALID_ARGUMENT names the option.
  static absl::StatusOr<std::unique_ptr<Connection>> Make(
      const ServerOptions& options);
  ~Connection();

  // Calls "Service/Method" of millstream.v1 and waits for its answer. `patient`
  // also waits for a server that cannot be reached; UNAVAILABLE then says why
  // it could not.
  absl::Status Call(const std::string& method,
                    const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite* response,
                    absl::Duration timeout, bool patient = false)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The same of a request that is serialized, for whoever does not need the
  // answer.
  absl::Status CallSerialized(const std::string& method,
                              const std::string& request,
                              absl::Duration timeout)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends calls under way, and all that follow, with CANCELLED. Streams go on.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mutex_);

  // For streams.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  // Adds who we are.
  void Authorize(grpc::ClientContext* context) const;

 private:
  Connection(std::shared_ptr<grpc::Channel> channel, std::string authorization);

  template <typename Request, typename Response>
  absl::Status Ask(const std::string& path, const Request& request,
                   Response* response, absl::Duration timeout, bool patient)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Why nobody can be reached; OK if somebody can.
  absl::Status Reach() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<grpc::Channel> channel_;
  // Empty: none.
  const std::string authorization_;

  absl::Mutex mutex_;
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::client

#endif  // MILLSTREAM_CLIENT_CONNECTION_H_
