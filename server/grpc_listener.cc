#include "server/grpc_listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/cannot_listen.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str_cat.h"

namespace millstream::server {
namespace {

// Until the next try where no descriptor was left.
constexpr int kRetryMs = 100;
// One line of the log for all connections that are refused in so long.
constexpr absl::Duration kSayAgain = absl::Minutes(1);

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

void SetPort(sockaddr* address, uint16_t port) {
  if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(port);
  } else if (address->sa_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(port);
  }
}

uint16_t PortOf(int socket) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                   : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

// A listening socket, or -1 with errno that says why not.
int Listen(const addrinfo& address) {
  Descriptor file(
      socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
             IPPROTO_TCP));
  if (file.get() < 0) return -1;
  const int on = 1;
  // Connections that ended lately are no hindrance; each message leaves at
  // once (connections have what their listener has).
  setsockopt(file.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(file.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (address.ai_family == AF_INET6) {
    setsockopt(file.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (bind(file.get(), address.ai_addr, address.ai_addrlen) != 0 ||
      listen(file.get(), SOMAXCONN) != 0) {
    return -1;
  }
  return file.Release();
}

// The first descriptor that is not for connections. The system gives out the
// lowest that is free, so who gets this one knows that as many are in use.
int FirstReserved() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return INT_MAX;
  const int all =
      static_cast<int>(std::min<rlim_t>(limit.rlim_cur, INT_MAX));
  return all - std::min(limits::kDescriptorsReserved, all / 2);
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

GrpcListener::GrpcListener(std::vector<Descriptor> sockets, Descriptor stop,
                           uint16_t port)
    : sockets_(std::move(sockets)), stop_(std::move(stop)), port_(port) {}

GrpcListener::~GrpcListener() { Stop(); }

absl::StatusOr<std::unique_ptr<GrpcListener>> GrpcListener::Open(
    const std::string& host, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) !=
      0) {
    return absl::InvalidArgumentError(
        StrCat("--host: \"", host, "\" is no address to listen on."));
  }
  const Addresses owner(found, freeaddrinfo);
  std::vector<Descriptor> sockets;
  int code = EADDRNOTAVAIL;
  for (const addrinfo* next = found; next != nullptr; next = next->ai_next) {
    // All at the port that the first one got.
    SetPort(next->ai_addr, port);
    const int socket = Listen(*next);
    if (socket < 0) {
      code = errno;
      continue;
    }
    sockets.emplace_back(socket);
    if (port == 0) port = PortOf(socket);
  }
  Descriptor stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (stop.get() < 0) {
    code = errno;
    sockets.clear();
  }
  if (sockets.empty()) {
    return CannotListen(host, port, code, "--grpc-port");
  }
  return std::unique_ptr<GrpcListener>(
      new GrpcListener(std::move(sockets), std::move(stop), port));
}

void GrpcListener::Start(Take take) {
  thread_ = std::thread([this, take = std::move(take)] { Work(take); });
}

void GrpcListener::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // Cannot fail: nobody else writes to it.
    [[maybe_unused]] const ssize_t written =
        write(stop_.get(), &one, sizeof(one));
    thread_.join();
  }
  sockets_.clear();
}

void GrpcListener::SayRefused() {
  const absl::Time now = absl::Now();
  if (now - said_ < kSayAgain) return;
  said_ = now;
  LogWarning(
      "Connections to the gRPC door are refused: too many files and "
      "connections are open. A higher limit (ulimit -n, LimitNOFILE) allows "
      "more.");
}

bool GrpcListener::AcceptAll(int socket, const Take& take) {
  for (;;) {
    Descriptor connection(accept4(socket, nullptr, nullptr,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.get() < 0) {
      const int code = errno;
      // About a connection that is gone already.
      if (code == ECONNABORTED || code == EINTR) continue;
      if (code != EMFILE && code != ENFILE && code != ENOBUFS &&
          code != ENOMEM) {
        return true;
      }
      SayRefused();
      return false;
    }
    if (connection.get() >= first_reserved_) {
      SayRefused();
      continue;
    }
    take(connection.Release());
  }
}

void GrpcListener::Work(const Take& take) {
  first_reserved_ = FirstReserved();
  std::vector<pollfd> polled;
  for (const Descriptor& socket : sockets_) {
    polled.push_back({socket.get(), POLLIN, 0});
  }
  polled.push_back({stop_.get(), POLLIN, 0});
  for (;;) {
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled.back().revents != 0) return;
    bool wait = false;
    for (size_t i = 0; i + 1 < polled.size(); ++i) {
      if (polled[i].revents != 0 && !AcceptAll(polled[i].fd, take)) {
        wait = true;
      }
    }
    // Without a pause it would ask again and again for what is not there.
    if (wait) poll(&polled.back(), 1, kRetryMs);
  }
}

}  // namespace millstream::server
