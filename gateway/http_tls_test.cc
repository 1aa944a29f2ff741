#include "gateway/http_tls.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

// What handshakes come to is tested with clients: tests/api/test_tls.py.
TEST(HttpTlsTest, FilesHaveALimit) {
  const std::string path =
      testing::TempDir() + "/tls-" + std::to_string(getpid());
  std::ofstream(path) << std::string(limits::kTlsFileBytesMax + 1, 'x');
  const auto tls = HttpTls::Open({path, path, ""}, &Clock::System());
  EXPECT_NE(tls.status().message().find("--tls-cert"),
            absl::string_view::npos);
  EXPECT_NE(tls.status().message().find("bytes"), absl::string_view::npos);
  unlink(path.c_str());
}

}  // namespace
}  // namespace millstream::gateway
