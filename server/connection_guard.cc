#include "server/connection_guard.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"

namespace millstream::server {
namespace {

// What a call, and a message, may bring besides its bytes: metadata; frames of
// HTTP/2 and TLS, also by part of the bytes.
constexpr int64_t kCallBytes = 16 * 1024;
constexpr int64_t kMessageBytes = 256;
constexpr int64_t kMessagePart = 32;
// Callers acknowledge and make room for what they are sent, by less than this
// part of it.
constexpr int64_t kSentPart = 64;
// And they may say that they are there, at any time.
constexpr double kBytesPerSecond = 64 * 1024;
// One line of the log for all connections that are cut in so long.
constexpr int64_t kSayAgainMs = 60'000;

// Nothing: it is no socket of TCP any more.
std::optional<std::string> PeerOf(int socket) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return std::nullopt;
  }
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    return absl::StrCat("ipv4:", text, ":", ntohs(v4.sin_port));
  }
  if (address.ss_family != AF_INET6) return std::nullopt;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
  // As part of a URI.
  const std::string scope =
      v6.sin6_scope_id == 0 ? "" : absl::StrCat("%25", v6.sin6_scope_id);
  return absl::StrCat("ipv6:%5B", text, scope, "%5D:", ntohs(v6.sin6_port));
}

// What the kernel gives to no other socket; 0: it is none.
uint64_t CookieOf(int socket) {
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  return getsockopt(socket, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0
             ? cookie
             : 0;
}

}  // namespace

struct ConnectionGuard::Connection {
  // The number may be another's by now, which the cookie tells.
  int socket = -1;
  uint64_t cookie = 0;
  std::atomic<bool> cut = false;

  std::atomic<int64_t> calls = 0;
  // Of these: have read, and wait for a message.
  std::atomic<int64_t> readers = 0;
  std::atomic<int64_t> reading = 0;
  // Bytes that calls have taken, in all.
  std::atomic<int64_t> taken = 0;

  // Under the guard's mutex: what was received and accounted for when it was
  // last looked at, and how much more the former is (never less).
  int64_t received_seen = 0;
  int64_t taken_seen = 0;
  int64_t untaken = 0;

  // False: it is closed.
  bool Look(double seconds) {
    tcp_info info = {};
    socklen_t size = sizeof(info);
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        CookieOf(socket) != cookie) {
      return false;
    }
    const auto received = static_cast<int64_t>(info.tcpi_bytes_received);
    const int64_t taken_now =
        taken + static_cast<int64_t>(info.tcpi_bytes_acked) / kSentPart;
    untaken += (received - received_seen) - (taken_now - taken_seen) -
               static_cast<int64_t>(kBytesPerSecond * seconds);
    untaken = std::max<int64_t>(untaken, 0);
    received_seen = received;
    taken_seen = taken_now;
    return true;
  }

  // Of what was received, bytes that are still in the kernel, where they are
  // bounded.
  int64_t InKernel() const {
    int bytes = 0;
    return ioctl(socket, SIOCINQ, &bytes) == 0 ? bytes : 0;
  }
};

ConnectionGuard::Call::~Call() {
  if (connection_ == nullptr) return;
  if (reads_) --connection_->reading;
  if (has_read_) --connection_->readers;
  --connection_->calls;
  --guard_->calls_;
}

void ConnectionGuard::Call::ReadBegins() {
  if (connection_ == nullptr || reads_) return;
  reads_ = true;
  ++connection_->reading;
  if (has_read_) return;
  has_read_ = true;
  ++connection_->readers;
}

void ConnectionGuard::Call::ReadEnds(size_t bytes) {
  if (connection_ == nullptr) return;
  const auto size = static_cast<int64_t>(bytes);
  connection_->taken += size + size / kMessagePart + kMessageBytes;
  if (!reads_) return;
  reads_ = false;
  --connection_->reading;
}

ConnectionGuard::ConnectionGuard(const ConnectionBounds& bounds)
    : bounds_(bounds), looker_([this] { Run(); }) {}

ConnectionGuard::~ConnectionGuard() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  looker_.join();
}

void ConnectionGuard::Watch(int socket) {
  std::optional<std::string> peer = PeerOf(socket);
  // Gone already.
  if (!peer.has_value()) return;
  auto connection = std::make_shared<Connection>();
  connection->socket = socket;
  connection->cookie = CookieOf(socket);
  absl::MutexLock lock(&mutex_);
  connections_.insert_or_assign(*std::move(peer), std::move(connection));
}

ConnectionGuard::Call ConnectionGuard::Begin(std::string_view peer) {
  std::shared_ptr<Connection> connection;
  {
    absl::MutexLock lock(&mutex_);
    const auto found =
        connections_.find(absl::string_view(peer.data(), peer.size()));
    if (found != connections_.end()) connection = found->second;
  }
  if (connection != nullptr) {
    connection->taken += kCallBytes;
    if (++connection->calls > bounds_.calls) {
      Cut(*connection, "it had more calls than it may have");
    }
    if (++calls_ > bounds_.calls_in_all) CutTheMostCalls();
  }
  return Call(this, std::move(connection));
}

void ConnectionGuard::CutTheMostCalls() {
  absl::MutexLock lock(&mutex_);
  int64_t in_all = 0;
  Connection* most = nullptr;
  for (const auto& [peer, connection] : connections_) {
    // Its calls are about to end.
    if (connection->cut) continue;
    in_all += connection->calls;
    if (most == nullptr || connection->calls > most->calls) {
      most = connection.get();
    }
  }
  if (in_all > bounds_.calls_in_all) {
    Cut(*most, "it had the most of too many calls");
  }
}

bool ConnectionGuard::Exceeds(const Connection& connection) const {
  const int64_t bound = bounds_.untaken +
                        connection.readers * bounds_.untaken_each_call +
                        (connection.reading > 0 ? bounds_.message : 0);
  return connection.untaken > bound &&
         connection.untaken - connection.InKernel() > bound;
}

void ConnectionGuard::LookAtAll(absl::Time now) {
  const double seconds =
      std::clamp(absl::ToDoubleSeconds(now - looked_), 0.0, 1.0);
  looked_ = now;
  int64_t in_all = 0;
  Connection* largest = nullptr;
  for (auto each = connections_.begin(); each != connections_.end();) {
    const auto it = each++;
    Connection& connection = *it->second;
    if (connection.cut || !connection.Look(seconds)) {
      connections_.erase(it);
      continue;
    }
    if (Exceeds(connection)) {
      Cut(connection, "it brought what belongs to no call");
      continue;
    }
    in_all += connection.untaken;
    if (largest == nullptr || connection.untaken > largest->untaken) {
      largest = &connection;
    }
  }
  if (in_all > bounds_.untaken_in_all) {
    Cut(*largest, "it brought the most of what no call takes");
  }
}

void ConnectionGuard::Cut(Connection& connection, std::string_view why) {
  if (connection.cut.exchange(true)) return;
  // The number may become another socket's at any moment, a duplicate not.
  const int socket = fcntl(connection.socket, F_DUPFD_CLOEXEC, 0);
  if (socket < 0) {
    // At the next look.
    connection.cut = false;
    return;
  }
  const bool same = CookieOf(socket) == connection.cookie;
  if (same) shutdown(socket, SHUT_RDWR);
  close(socket);
  if (!same) return;
  ++cut_;
  const int64_t now = absl::ToUnixMillis(absl::Now());
  int64_t said = said_ms_;
  if (now - said < kSayAgainMs ||
      !said_ms_.compare_exchange_strong(said, now)) {
    return;
  }
  LogWarning("A connection to the gRPC door was cut: ", why, ". ", cut_.load(),
             " so far.");
}

void ConnectionGuard::Run() {
  absl::MutexLock lock(&mutex_);
  const auto work = [this] {
    mutex_.AssertHeld();
    return stopping_ || !connections_.empty();
  };
  const auto stop = [this] {
    mutex_.AssertHeld();
    return stopping_;
  };
  for (;;) {
    mutex_.Await(absl::Condition(&work));
    if (mutex_.AwaitWithTimeout(absl::Condition(&stop), bounds_.interval)) {
      return;
    }
    LookAtAll(absl::Now());
  }
}

}  // namespace millstream::server
