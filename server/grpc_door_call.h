// What the calls of the gRPC door share. Part of the door: includes its
// library.
#ifndef MILLSTREAM_SERVER_GRPC_DOOR_CALL_H_
#define MILLSTREAM_SERVER_GRPC_DOOR_CALL_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/thread_pool.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/support/server_callback.h"
#include "server/dispatcher.h"

namespace millstream::server {

// False: the bytes are no such message, or one of too many items. Empties
// `bytes`.
bool Parse(grpc::ByteBuffer* bytes, Message* message);

grpc::ByteBuffer Serialize(const Message& message);

absl::Status UnreadableRequest(const Method& method);

// Too many calls wait for a thread.
absl::Status Overloaded();

// What all calls of a door share; it outlives them.
struct DoorParts {
  Dispatcher* dispatcher = nullptr;
  ThreadPool* pool = nullptr;
  // As GrpcDoorOptions has it.
  std::function<std::optional<std::string>(std::string_view, std::string_view)>
      caller_of;
  // As GrpcDoorOptions has it.
  bool access_log = false;
};

// Lives from the call's start to OnDone. Not thread-safe.
class Call {
 public:
  Call(grpc::CallbackServerContext* grpc, const DoorParts& door,
       const Method* method);

 protected:
  // Finds out who calls, then says so to `next`: at once, or from another
  // thread when a password had to be checked. The status is the refusal.
  void Introduce(std::function<void(const absl::Status&)> next);

  // The status as callers see it; its code goes into the trailing metadata.
  // To be called once, when the call ends: writes its line in the access log.
  grpc::Status Leave(const absl::Status& status);

  grpc::CallbackServerContext* const grpc_;
  Dispatcher* const dispatcher_;
  ThreadPool* const pool_;
  const bool access_log_;
  const Method* const method_;
  CallContext context_{Door::kGrpc};
};

// Starts a call of an rpc that streams messages; it deletes itself.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartStreamCall(
    grpc::CallbackServerContext* grpc, const DoorParts& door,
    const Method* method);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_GRPC_DOOR_CALL_H_
