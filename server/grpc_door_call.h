// What the calls of the gRPC door share. Part of the door: includes its
// library.
#ifndef MILLSTREAM_SERVER_GRPC_DOOR_CALL_H_
#define MILLSTREAM_SERVER_GRPC_DOOR_CALL_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/memory_budget.h"
#include "base/thread_pool.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/support/server_callback.h"
#include "server/dispatcher.h"
#include "server/stream_registry.h"

namespace millstream::server {

// False: the bytes are no such message, or one of too many items. Empties
// `bytes`.
bool Parse(grpc::ByteBuffer* bytes, Message* message);

grpc::ByteBuffer Serialize(const Message& message);

absl::Status UnreadableRequest(const Method& method);

// Too many calls wait for a thread.
absl::Status Overloaded();

// Whose turn it is in a call that is counted: the server's, or its caller's,
// who has so long for it. The registry of its kind looks after that.
// Thread-safe.
class CallTurn final {
 public:
  // `late` is told once that the caller's turn took too long; by returning
  // false it asks to be told again. It must not block, and is called from
  // another thread, under a lock that the functions below take.
  explicit CallTurn(std::function<bool()> late) : late_(std::move(late)) {}

  // It is the caller's turn.
  void Give(absl::Duration patience) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    until_ = absl::Now() + patience;
  }
  // It is the server's turn. False: it was too late, `late` knows.
  bool Take() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    until_ = absl::InfiniteFuture();
    return !was_late_;
  }

  // As StreamRegistry wants them. A door that stops cancels its calls itself.
  void Stop() {}
  void CheckPatience(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (now < until_ || !late_()) return;
    was_late_ = true;
    until_ = absl::InfiniteFuture();
  }

 private:
  const std::function<bool()> late_;
  absl::Mutex mutex_;
  absl::Time until_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool was_late_ ABSL_GUARDED_BY(mutex_) = false;
};

// What all calls of a door share; it outlives them.
struct DoorParts {
  Dispatcher* dispatcher = nullptr;
  ThreadPool* pool = nullptr;
  // As GrpcDoorOptions has it.
  std::function<std::optional<std::string>(std::string_view, std::string_view)>
      caller_of;
  // As GrpcDoorOptions has it.
  bool access_log = false;
  // Files on their way; answers that are not taken yet, and their bytes.
  StreamRegistry<CallTurn>* transfers = nullptr;
  StreamRegistry<CallTurn>* answers = nullptr;
  MemoryBudget* answer_bytes = nullptr;
  StreamPatience patience = {};
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

  const DoorParts& door_;
  grpc::CallbackServerContext* const grpc_;
  Dispatcher* const dispatcher_;
  ThreadPool* const pool_;
  const Method* const method_;
  CallContext context_{Door::kGrpc};
};

// Start a call of an rpc that answers with a file, takes one, or streams
// messages; it deletes itself.
grpc::ServerWriteReactor<grpc::ByteBuffer>* StartDownloadCall(
    grpc::CallbackServerContext* grpc, const DoorParts& door,
    const Method* method, const grpc::ByteBuffer* request);
grpc::ServerReadReactor<grpc::ByteBuffer>* StartUploadCall(
    grpc::CallbackServerContext* grpc, const DoorParts& door,
    const Method* method, grpc::ByteBuffer* response);
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartStreamCall(
    grpc::CallbackServerContext* grpc, const DoorParts& door,
    const Method* method);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_GRPC_DOOR_CALL_H_
