#include "server/listen_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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

TEST(ListenCheckTest, SomeFreePortCanBeListenedOn) {
  EXPECT_TRUE(CheckCanListen("127.0.0.1", 0).ok());
}

TEST(ListenCheckTest, APortInUseIsNamedWithTheReason) {
  Listener listener;
  const absl::Status status = CheckCanListen("127.0.0.1", listener.port());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("Address already in use"));
  EXPECT_THAT(status.message(),
              HasSubstr("127.0.0.1:" + std::to_string(listener.port())));
  EXPECT_THAT(status.message(), HasSubstr("--grpc-port"));
}

TEST(ListenCheckTest, AnAddressOfAnotherMachineIsRefused) {
  const absl::Status status = CheckCanListen("203.0.113.5", 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

TEST(ListenCheckTest, WhatIsNoAddressIsRefused) {
  const absl::Status status = CheckCanListen("no address", 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("\"no address\""));
}

}  // namespace
}  // namespace millstream::server
