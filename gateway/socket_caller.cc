#include "gateway/socket_caller.h"

#include <poll.h>

#include "gateway/connection_list.h"

namespace millstream::gateway {

SocketCaller::SocketCaller(int socket)
    : socket_(socket), next_look_ms_(MonotonicMs() + kLookMs) {}

absl::Status SocketCaller::Alive() const {
  if (!gone_.load(std::memory_order_relaxed)) {
    const int64_t now_ms = MonotonicMs();
    if (now_ms < next_look_ms_.load(std::memory_order_relaxed)) {
      return absl::OkStatus();
    }
    next_look_ms_.store(now_ms + kLookMs, std::memory_order_relaxed);
    pollfd asked{.fd = socket_, .events = POLLRDHUP, .revents = 0};
    if (poll(&asked, 1, /*timeout=*/0) <= 0) return absl::OkStatus();
    gone_.store(true, std::memory_order_relaxed);
  }
  return absl::CancelledError("The caller has gone.");
}

}  // namespace millstream::gateway
