// What callers of the gRPC door may do besides calling. gRPC 1.51 bounds what
// belongs to a call, but takes without end
//   - header blocks that do not end (HPACK, RFC 9113, 4.3),
//   - calls beyond SETTINGS_MAX_CONCURRENT_STREAMS, from callers who do not
//     acknowledge the setting (RFC 9113, 6.5.3),
//   - calls that are reset at once, which do not count as concurrent while the
//     server still works on them (CVE-2023-44487),
// all before it is known who calls. It has no hook for any of it, and TLS hides
// the frames from everybody else; so what a connection has brought, by the
// kernel's count, is held against what calls have taken of it.
#ifndef MILLSTREAM_SERVER_CONNECTION_GUARD_H_
#define MILLSTREAM_SERVER_CONNECTION_GUARD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/limits.h"

namespace millstream::server {

struct ConnectionBounds {
  // Calls of a connection, and of all, that are not done.
  int64_t calls = limits::kGrpcCallsPerConnectionMax;
  int64_t calls_in_all = limits::kGrpcCallsMax;
  // Bytes of a connection that no call has taken: of any, more for each call
  // that has begun to read, and more if one of them waits for a message.
  int64_t untaken = limits::kGrpcUntakenBytesMax;
  int64_t untaken_each_call = limits::kGrpcLookaheadBytes;
  int64_t message = limits::kGrpcMessageBytesMax;
  // Such bytes of all connections.
  int64_t untaken_in_all = limits::kGrpcTransportBytesMax;
  // How often connections are looked at. A flood goes on for so long.
  absl::Duration interval = absl::Milliseconds(limits::kGrpcLookMs);
};

// Cuts connections that exceed the bounds. Thread-safe. Outlives its calls.
class ConnectionGuard {
  struct Connection;

 public:
  // A call of a connection, for as long as it is not done. Not thread-safe, but
  // for its end.
  class Call {
   public:
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // The call waits for a message.
    void ReadBegins();
    // The wait is over; the message has so many bytes (0: there was none).
    void ReadEnds(size_t bytes);

   private:
    friend class ConnectionGuard;
    Call(ConnectionGuard* guard, std::shared_ptr<Connection> connection)
        : guard_(guard), connection_(std::move(connection)) {}

    ConnectionGuard* const guard_;
    // Null: not a connection that is watched.
    const std::shared_ptr<Connection> connection_;
    bool has_read_ = false;
    bool reads_ = false;
  };

  explicit ConnectionGuard(const ConnectionBounds& bounds);
  ~ConnectionGuard();
  ConnectionGuard(const ConnectionGuard&) = delete;
  ConnectionGuard& operator=(const ConnectionGuard&) = delete;

  // Looks at a connected TCP socket until it is closed by its owner, who may do
  // that at any time.
  void Watch(int socket) ABSL_LOCKS_EXCLUDED(mutex_);

  // A call has come, by gRPC's name of the caller ("ipv4:127.0.0.1:5000"). If
  // there are too many of its connection, that is cut; if there are of all, the
  // connection that has the most.
  Call Begin(std::string_view peer) ABSL_LOCKS_EXCLUDED(mutex_);

  // Connections that were cut so far.
  int64_t cut() const { return cut_; }

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  void CutTheMostCalls() ABSL_LOCKS_EXCLUDED(mutex_);
  // Looks at all once.
  void LookAtAll(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Cut(Connection& connection, std::string_view why);
  bool Exceeds(const Connection& connection) const;

  const ConnectionBounds bounds_;
  std::atomic<int64_t> calls_ = 0;
  std::atomic<int64_t> cut_ = 0;
  // When it was last told of, in ms since the epoch.
  std::atomic<int64_t> said_ms_ = 0;

  absl::Mutex mutex_;
  // By gRPC's name of the caller.
  absl::flat_hash_map<std::string, std::shared_ptr<Connection>> connections_
      ABSL_GUARDED_BY(mutex_);
  absl::Time looked_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread looker_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_CONNECTION_GUARD_H_
