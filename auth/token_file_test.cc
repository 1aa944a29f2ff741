#include "auth/token_file.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::auth {
namespace {

// Of "secret".
constexpr char kDigest[] =
    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

class SetClock final : public Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  std::atomic<int64_t> now_ms{1'000'000};
};

TEST(TokenFileTest, KnowsWhoseATokenIsUntilItGoes) {
  const std::string path =
      testing::TempDir() + "/tokens-" + std::to_string(getpid());
  const auto put = [&](const std::string& text) {
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
  };
  put(std::string("# of jobs\njob:sha256:") + kDigest + "\n");
  SetClock clock;
  auto file = TokenFile::Open(path, &clock);
  ASSERT_TRUE(file.ok()) << file.status();
  const Verdict verdict = (*file)->Find("secret");
  ASSERT_TRUE(verdict.ok());
  EXPECT_EQ((*verdict)->user, "job");
  EXPECT_FALSE((*file)->Find("secre").ok());
  EXPECT_FALSE((*file)->Find(kDigest).ok());
  const uint64_t before = (*file)->generation();
  put("job:secret");
  clock.now_ms += 1000;
  EXPECT_EQ((*file)->generation(), before);
  EXPECT_TRUE((*file)->Find("secret").ok());
  put("");
  clock.now_ms += 1000;
  EXPECT_NE((*file)->generation(), before);
  EXPECT_FALSE((*file)->Find("secret").ok());
  std::filesystem::remove(path);
  EXPECT_NE(TokenFile::Open(path, &clock).status().message().find(
                "--token-file"),
            absl::string_view::npos);
}

TEST(TokenFileTest, SaysWhichLineIsWrong) {
  const std::string digest = kDigest;
  for (const std::string& line :
       {std::string("job:secret"), "job:md5:" + digest, "job:sha256:" +
        digest.substr(1), ":sha256:" + digest, "job:sha256:x" +
        digest.substr(1), "a:b:sha256:" + digest,
        std::string(limits::kUserNameBytesMax + 1, 'u') + ":sha256:" +
        digest}) {
    const absl::Status status = ParseTokens("\n" + line).status();
    EXPECT_NE(status.message().find("line 2"), absl::string_view::npos)
        << line;
  }
  const std::string line = "job:sha256:" + digest + "\n";
  EXPECT_FALSE(ParseTokens(line + line).ok());
}

}  // namespace
}  // namespace millstream::auth
