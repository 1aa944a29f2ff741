#include "server/grpc_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::server {
namespace {

using testing::HasSubstr;

// Listens on a port of 127.0.0.1.
class Listener {
 public:
  Listener() : file_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(file_, generic, size), 0);
    EXPECT_EQ(listen(file_, 1), 0);
    EXPECT_EQ(getsockname(file_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(file_); }

  uint16_t port() const { return port_; }

 private:
  const int file_;
  uint16_t port_ = 0;
};

// Connects to 127.0.0.1:port.
Descriptor Connect(uint16_t port) {
  Descriptor file(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  EXPECT_EQ(connect(file.get(), reinterpret_cast<sockaddr*>(&address),
                    sizeof(address)),
            0);
  return file;
}

// Sockets that were handed over.
class Taken {
 public:
  void Add(int socket) {
    absl::MutexLock lock(&mutex_);
    sockets_.emplace_back(socket);
  }
  void Await(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&] { return sockets_.size() >= count; };
    mutex_.Await(absl::Condition(&enough));
  }
  // False if `or_else` came to hold instead.
  bool AwaitOr(size_t count, absl::FunctionRef<bool()> or_else) {
    for (;;) {
      absl::MutexLock lock(&mutex_);
      const auto enough = [&] { return sockets_.size() >= count; };
      if (mutex_.AwaitWithTimeout(absl::Condition(&enough),
                                  absl::Milliseconds(1))) {
        return true;
      }
      if (or_else()) return false;
    }
  }
  size_t size() {
    absl::MutexLock lock(&mutex_);
    return sockets_.size();
  }
  void Clear() {
    absl::MutexLock lock(&mutex_);
    sockets_.clear();
  }

 private:
  absl::Mutex mutex_;
  std::vector<Descriptor> sockets_;
};

// Whether the other end has closed it; does not wait.
bool IsClosed(const Descriptor& connection) {
  char byte;
  return recv(connection.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

TEST(GrpcListenerTest, HandsOverWhatConnects) {
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener =
      GrpcListener::Open("127.0.0.1", 0);
  ASSERT_TRUE(listener.ok()) << listener.status();
  Taken taken;
  (*listener)->Start([&](int socket) { taken.Add(socket); });
  const Descriptor one = Connect((*listener)->port());
  const Descriptor two = Connect((*listener)->port());
  taken.Await(2);
}

TEST(GrpcListenerTest, NamesAreListenedOnAtAllTheirAddresses) {
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener =
      GrpcListener::Open("localhost", 0);
  ASSERT_TRUE(listener.ok()) << listener.status();
  Taken taken;
  (*listener)->Start([&](int socket) { taken.Add(socket); });
  const Descriptor connection = Connect((*listener)->port());
  taken.Await(1);
}

TEST(GrpcListenerTest, NothingIsHandedOverAfterStop) {
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener =
      GrpcListener::Open("127.0.0.1", 0);
  ASSERT_TRUE(listener.ok()) << listener.status();
  Taken taken;
  (*listener)->Start([&](int socket) { taken.Add(socket); });
  (*listener)->Stop();
  (*listener)->Stop();
  EXPECT_EQ(taken.size(), 0u);
  // The port is free again.
  EXPECT_TRUE(GrpcListener::Open("127.0.0.1", (*listener)->port()).ok());
}

TEST(GrpcListenerTest, SomeDescriptorsAreLeftAndItListensOn) {
  // So few that half of them are left to others.
  constexpr int kAll = 128;
  static_assert(kAll / 2 < limits::kDescriptorsReserved);
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener =
      GrpcListener::Open("127.0.0.1", 0);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const uint16_t port = (*listener)->port();
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit lowered = {kAll, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &lowered), 0);
  Taken taken;
  (*listener)->Start([&](int socket) { taken.Add(socket); });

  // Each takes two descriptors: both ends are of this process.
  std::vector<Descriptor> connections;
  size_t held = 0;
  for (bool refused = false; !refused;) {
    connections.push_back(Connect(port));
    refused = !taken.AwaitOr(held + 1, [&] {
      return IsClosed(connections.back());
    });
    if (!refused) ++held;
  }
  EXPECT_GT(held, 8u);
  EXPECT_LT(held, static_cast<size_t>(kAll / 2 / 2));

  // When they have gone it takes connections again.
  connections.clear();
  taken.Clear();
  const Descriptor another = Connect(port);
  taken.Await(1);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(GrpcListenerTest, APortInUseIsNamedWithTheReason) {
  Listener listener;
  const absl::Status status =
      GrpcListener::Open("127.0.0.1", listener.port()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("Address already in use"));
  EXPECT_THAT(status.message(),
              HasSubstr("127.0.0.1:" + std::to_string(listener.port())));
  EXPECT_THAT(status.message(), HasSubstr("--grpc-port"));
}

TEST(GrpcListenerTest, AnAddressOfAnotherMachineIsRefused) {
  EXPECT_EQ(GrpcListener::Open("203.0.113.5", 0).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(GrpcListenerTest, WhatIsNoAddressIsRefused) {
  const absl::Status status = GrpcListener::Open("no address", 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("\"no address\""));
}

}  // namespace
}  // namespace millstream::server
