// What the calls of the gRPC door share. Part of the door: includes its
// library.
#ifndef MILLSTREAM_SERVER_GRPC_DOOR_CALL_H_
#define MILLSTREAM_SERVER_GRPC_DOOR_CALL_H_

#include <cstddef>
#include <deque>
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
#include "server/connection_guard.h"
#include "server/dispatcher.h"
#include "server/slow_requests.h"
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
  // another thread, under the lock that the functions below take.
  explicit CallTurn(std::function<bool()> late) : late_(std::move(late)) {}

  // It is the caller's turn, which `begin` begins: the call may be over as soon
  // as that has returned, but not before. It must not block.
  template <typename Begin>
  void Give(absl::Duration patience, Begin begin) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    until_ = absl::Now() + patience;
    begin();
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

// Messages on their way from callers whom nobody asks who they are, where
// others are asked: those of open rpcs. Thread-safe.
class StrangersReads final {
 public:
  // As many messages at a time.
  explicit StrangersReads(size_t count) : count_(count) {}

  // Breaks the oldest call off if there are too many. What open rpcs take is
  // small, and read at once if it is sent at once.
  void Begin(grpc::CallbackServerContext* call) ABSL_LOCKS_EXCLUDED(mutex_);
  // Before the call is over.
  void End(grpc::CallbackServerContext* call) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const size_t count_;
  absl::Mutex mutex_;
  std::deque<grpc::CallbackServerContext*> calls_ ABSL_GUARDED_BY(mutex_);
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
  ConnectionGuard* connections = nullptr;
  // Requests that are waited for; files on their way;
  // answers that are not taken yet, and their bytes.
  SlowRequests* requests = nullptr;
  StreamRegistry<CallTurn>* transfers = nullptr;
  StreamRegistry<CallTurn>* answers = nullptr;
  MemoryBudget* answer_bytes = nullptr;
  StrangersReads* strangers = nullptr;
  StreamPatience patience = {};
};

// What gRPC tells calls of any kind. On the wire they are all the same, and
// gRPC reads nothing of this one before it is asked to.
using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

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

  // To be called before and after a message is read; it has so many bytes, 0 if
  // there was none.
  void ReadBegins();
  void ReadEnds(size_t bytes);

  const DoorParts& door_;
  grpc::CallbackServerContext* const grpc_;
  Dispatcher* const dispatcher_;
  ThreadPool* const pool_;
  const Method* const method_;
  CallContext context_{Door::kGrpc};

 private:
  ConnectionGuard::Call guarded_;
  // Nobody asks who calls, though others are asked.
  const bool of_stranger_;
};

// A call in which server and caller take turns: one of them has a message to
// send.
class TurnsCall : public Reactor, protected Call {
 public:
  void OnCancel() final { context_.Cancel(); }

 protected:
  using Call::Call;
  ~TurnsCall() override = default;

  // The call ends: what it holds is let go.
  virtual void Close() {}

  // Runs on a thread of the pool. The call ends if it has too much to do.
  void Post(std::function<void()> step);
  // End the call: with a status, or with outgoing_ as the last message.
  void End(const absl::Status& status);
  void Answer();
  // No message came: the caller sends no more, or why that is.
  absl::Status Present() const;

  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
};

// Start a call of an rpc that has one answer, answers with a file, takes one,
// or streams messages; it deletes itself.
Reactor* StartUnaryCall(grpc::CallbackServerContext* grpc,
                        const DoorParts& door, const Method* method);
Reactor* StartDownloadCall(grpc::CallbackServerContext* grpc,
                           const DoorParts& door, const Method* method);
Reactor* StartUploadCall(grpc::CallbackServerContext* grpc,
                         const DoorParts& door, const Method* method);
Reactor* StartStreamCall(grpc::CallbackServerContext* grpc,
                         const DoorParts& door, const Method* method);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_GRPC_DOOR_CALL_H_
