#include "server/connection_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "server/grpc_listener.h"

namespace millstream::server {
namespace {

constexpr int64_t kPlenty = 1'000'000'000;

// Two ends of a connection.
class Pair {
 public:
  explicit Pair(int family = AF_INET) {
    sockaddr_storage address = {};
    address.ss_family = family;
    socklen_t size = sizeof(sockaddr_in);
    if (family == AF_INET6) {
      reinterpret_cast<sockaddr_in6&>(address).sin6_addr = in6addr_loopback;
      size = sizeof(sockaddr_in6);
    } else {
      reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr =
          htonl(INADDR_LOOPBACK);
    }
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const Descriptor listener(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(listener.get(), generic, size), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(getsockname(listener.get(), generic, &size), 0);
    client_.emplace(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(client_->get(), generic, size), 0);
    server_.emplace(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_EQ(getsockname(client_->get(), generic, &size), 0);
    name_ = family == AF_INET6
                ? absl::StrCat("ipv6:%5B::1%5D:",
                               ntohs(reinterpret_cast<sockaddr_in6&>(address)
                                         .sin6_port))
                : absl::StrCat("ipv4:127.0.0.1:",
                               ntohs(reinterpret_cast<sockaddr_in&>(address)
                                         .sin_port));
  }

  int server() const { return server_->get(); }
  // gRPC's name of the client.
  const std::string& name() const { return name_; }

  // Has the server's end take so many bytes, unless it is cut.
  void Bring(size_t bytes) {
    const std::string sent(64 * 1024, 'x');
    std::string taken(sent.size(), '\0');
    for (size_t at = 0; at < bytes; at += sent.size()) {
      if (send(client_->get(), sent.data(), sent.size(), MSG_NOSIGNAL) <= 0 ||
          recv(server(), taken.data(), taken.size(), MSG_WAITALL) <= 0) {
        return;
      }
    }
  }
  // Waits until the other end has been shut.
  void AwaitCut() const {
    pollfd polled = {client_->get(), POLLIN, 0};
    EXPECT_EQ(poll(&polled, 1, 60'000), 1);
    char byte = 0;
    EXPECT_LE(recv(client_->get(), &byte, 1, MSG_DONTWAIT), 0);
  }
  bool IsCut() const {
    pollfd polled = {client_->get(), POLLIN, 0};
    return poll(&polled, 1, 0) != 0;
  }
  void CloseServer() { server_.reset(); }

 private:
  std::optional<Descriptor> client_;
  std::optional<Descriptor> server_;
  std::string name_;
};

// Bounds that nothing reaches, and looks as often as can be.
ConnectionBounds Plenty() {
  return {.calls = kPlenty,
          .calls_in_all = kPlenty,
          .untaken = kPlenty,
          .untaken_each_call = 0,
          .message = 0,
          .untaken_in_all = kPlenty,
          .interval = absl::Microseconds(100)};
}

using Calls = std::vector<std::unique_ptr<ConnectionGuard::Call>>;

Calls Begin(ConnectionGuard& guard, const Pair& pair, int count) {
  Calls calls;
  for (int i = 0; i < count; ++i) {
    calls.emplace_back(new ConnectionGuard::Call(guard.Begin(pair.name())));
  }
  return calls;
}

TEST(ConnectionGuardTest, TheServersBoundsAreTheNamedLimits) {
  const ConnectionBounds bounds;
  EXPECT_EQ(bounds.calls, limits::kGrpcCallsPerConnectionMax);
  EXPECT_EQ(bounds.calls_in_all, limits::kGrpcCallsMax);
  EXPECT_EQ(bounds.untaken, limits::kGrpcUntakenBytesMax);
  EXPECT_EQ(bounds.untaken_each_call, limits::kGrpcLookaheadBytes);
  EXPECT_EQ(bounds.message, limits::kGrpcMessageBytesMax);
  EXPECT_EQ(bounds.untaken_in_all, limits::kGrpcTransportBytesMax);
  EXPECT_EQ(bounds.interval, absl::Milliseconds(limits::kGrpcLookMs));
}

TEST(ConnectionGuardTest, CallsOfAConnectionAreBounded) {
  ConnectionBounds bounds = Plenty();
  bounds.calls = 3;
  ConnectionGuard guard(bounds);
  Pair pair, other;
  guard.Watch(pair.server());
  guard.Watch(other.server());
  const Calls others = Begin(guard, other, 3);
  for (int i = 0; i < 10; ++i) Begin(guard, pair, 3);  // and they end
  const Calls calls = Begin(guard, pair, 3);
  EXPECT_FALSE(pair.IsCut());
  Begin(guard, pair, 1);
  pair.AwaitCut();
  EXPECT_FALSE(other.IsCut());
  EXPECT_EQ(guard.cut(), 1);
}

TEST(ConnectionGuardTest, CallersOverIPv6AreKnown) {
  ConnectionBounds bounds = Plenty();
  bounds.calls = 0;
  ConnectionGuard guard(bounds);
  Pair pair(AF_INET6);
  guard.Watch(pair.server());
  Begin(guard, pair, 1);
  pair.AwaitCut();
}

TEST(ConnectionGuardTest, OfTooManyCallsThoseOfTheGreediestGo) {
  ConnectionBounds bounds = Plenty();
  bounds.calls_in_all = 4;
  ConnectionGuard guard(bounds);
  Pair modest, greedy;
  guard.Watch(modest.server());
  guard.Watch(greedy.server());
  const Calls many = Begin(guard, greedy, 3);
  const Calls few = Begin(guard, modest, 1);
  EXPECT_EQ(guard.cut(), 0);
  const Calls more = Begin(guard, modest, 1);
  greedy.AwaitCut();
  // Those that were cut need not have ended.
  const Calls still_more = Begin(guard, modest, 2);
  EXPECT_FALSE(modest.IsCut());
  EXPECT_EQ(guard.cut(), 1);
}

TEST(ConnectionGuardTest, BytesOfNoCallAreBounded) {
  ConnectionBounds bounds = Plenty();
  bounds.untaken = 1'000'000;
  ConnectionGuard guard(bounds);
  Pair pair;
  guard.Watch(pair.server());
  pair.Bring(10'000'000);
  pair.AwaitCut();
}

TEST(ConnectionGuardTest, BytesThatCallsTakeAreNot) {
  ConnectionBounds bounds = Plenty();
  bounds.untaken = 1'000'000;
  bounds.untaken_each_call = 2'000'000;
  bounds.message = 4'000'000;
  ConnectionGuard guard(bounds);
  Pair pair;
  guard.Watch(pair.server());
  {
    ConnectionGuard::Call call = guard.Begin(pair.name());
    for (int i = 0; i < 10; ++i) {
      call.ReadBegins();
      pair.Bring(6'000'000);
      call.ReadEnds(6'000'000);
    }
    // Comes before it is read.
    pair.Bring(2'500'000);
    call.ReadBegins();
    call.ReadEnds(2'500'000);
  }
  EXPECT_FALSE(pair.IsCut());
  pair.Bring(10'000'000);
  pair.AwaitCut();
}

TEST(ConnectionGuardTest, ACallThatDoesNotReadMakesLittleRoom) {
  ConnectionBounds bounds = Plenty();
  bounds.untaken = 1'000'000;
  bounds.message = kPlenty;
  ConnectionGuard guard(bounds);
  Pair pair;
  guard.Watch(pair.server());
  ConnectionGuard::Call call = guard.Begin(pair.name());
  pair.Bring(10'000'000);
  pair.AwaitCut();
}

TEST(ConnectionGuardTest, BytesOfAllConnectionsAreBounded) {
  ConnectionBounds bounds = Plenty();
  bounds.untaken_in_all = 4'000'000;
  ConnectionGuard guard(bounds);
  Pair modest, greedy;
  guard.Watch(modest.server());
  guard.Watch(greedy.server());
  modest.Bring(1'000'000);
  greedy.Bring(10'000'000);
  greedy.AwaitCut();
  EXPECT_FALSE(modest.IsCut());
}

TEST(ConnectionGuardTest, WhatHasTheNumberOfAClosedConnectionIsLeftAlone) {
  ConnectionBounds bounds = Plenty();
  bounds.calls = 1;
  bounds.untaken = 1'000'000;
  ConnectionGuard guard(bounds);
  Pair pair;
  guard.Watch(pair.server());
  const Calls calls = Begin(guard, pair, 1);
  const int number = pair.server();
  Pair next;
  pair.CloseServer();
  const Descriptor heir(dup2(next.server(), number));
  ASSERT_EQ(heir.get(), number);
  Begin(guard, pair, 1);
  next.Bring(10'000'000);
  EXPECT_FALSE(next.IsCut());
  EXPECT_EQ(guard.cut(), 0);
}

}  // namespace
}  // namespace millstream::server
