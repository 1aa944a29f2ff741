// Whether the other end of a connection still listens.
#ifndef MILLSTREAM_GATEWAY_SOCKET_CALLER_H_
#define MILLSTREAM_GATEWAY_SOCKET_CALLER_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "base/liveness.h"

namespace millstream::gateway {

// Thread-safe. Handlers hold the thread that would read the socket, so nobody
// is told that the other end has closed it: long handlers look, by asking this
// as often as they like.
class SocketCaller final : public Liveness {
 public:
  // A connected TCP socket that stays open for as long as this lives. Looks
  // at it after kLookMs for the first time and then as often at most: most
  // handlers are done by then.
  explicit SocketCaller(int socket);

  // CANCELLED when the other end has closed the connection, or its sending
  // half, or we have ended it.
  absl::Status Alive() const override;

  static constexpr int64_t kLookMs = 100;

 private:
  const int socket_;
  mutable std::atomic<int64_t> next_look_ms_;
  mutable std::atomic<bool> gone_{false};
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_SOCKET_CALLER_H_
