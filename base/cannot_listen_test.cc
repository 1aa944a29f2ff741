#include "base/cannot_listen.h"

#include <cerrno>
#include <string>

#include "gtest/gtest.h"

namespace millstream {
namespace {

bool Has(const absl::Status& status, const std::string& text) {
  return std::string(status.message()).find(text) != std::string::npos;
}

TEST(CannotListenTest, SaysWhatToDoAboutALowPort) {
  const absl::Status status = CannotListen("0.0.0.0", 80, EACCES, "--port");
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_TRUE(Has(status, "0.0.0.0:80: Permission denied"));
  EXPECT_TRUE(Has(status, "above 1023 with --port (in a container, PORT)"));
  EXPECT_TRUE(Has(status, "net.ipv4.ip_unprivileged_port_start=80"));
}

TEST(CannotListenTest, NamesTheFlagsOfAnAddressInUse) {
  const absl::Status status =
      CannotListen("0.0.0.0", 80, EADDRINUSE, "--grpc-port");
  EXPECT_TRUE(Has(status, "Address already in use"));
  EXPECT_TRUE(Has(status, "--host and --grpc-port choose another address"));
  EXPECT_FALSE(Has(status, "root"));
}

}  // namespace
}  // namespace millstream
