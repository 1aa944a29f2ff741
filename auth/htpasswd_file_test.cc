#include "auth/htpasswd_file.h"

#include <time.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "auth/fixed_user.h"
#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::auth {
namespace {

// Of "secret" and of "other".
constexpr char kSecret[] = "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";
constexpr char kOther[] = "{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=";
// Of "secret", some thousand times as dear.
constexpr char kDear[] =
    "$2b$08$abcdefghijklmnopqrstuuKxCcvB7KZ7.BpDoK0bh6qM7Dl1/xiJa";

// What it costs this thread.
double CpuMsOf(const std::function<void()>& work) {
  const auto now_ms = [] {
    timespec time = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e3 +
           static_cast<double>(time.tv_nsec) / 1e6;
  };
  const double begin = now_ms();
  work();
  return now_ms() - begin;
}

class SetClock final : public Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  std::atomic<int64_t> now_ms{1'000'000};
};

class HtpasswdFileTest : public testing::Test {
 protected:
  HtpasswdFileTest()
      : path_(testing::TempDir() + "/htpasswd-" + std::to_string(getpid()) +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {}
  ~HtpasswdFileTest() override { std::filesystem::remove(path_); }

  // As editors do: a new file in the place of the old.
  void Put(const std::string& text) {
    std::ofstream(path_ + ".new") << text;
    std::filesystem::rename(path_ + ".new", path_);
  }
  std::string Fault(const std::string& text) {
    return std::string(ParseHtpasswd(text).status().message());
  }

  const std::string path_;
  SetClock clock_;
};

TEST_F(HtpasswdFileTest, KnowsItsUsersAndNobodyElse) {
  Put(std::string("# staff\n\nalice:") + kSecret + "\r\nbob:" + kOther);
  auto file = OpenHtpasswdFile(path_, &clock_);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Verify("alice", "secret").ok());
  EXPECT_EQ((*(*file)->Verify("alice", "secret"))->user, "alice");
  EXPECT_FALSE((*file)->Verify("alice", "other").ok());
  // Not even with the password that stands in for theirs.
  EXPECT_FALSE((*file)->Verify("carol", "secret").ok());
  EXPECT_FALSE((*file)->Verify("carol", "other").ok());
  EXPECT_FALSE((*file)->Verify("# staff", "").ok());
}

TEST_F(HtpasswdFileTest, ReadsTheFileAgainWhenItChanges) {
  Put(std::string("alice:") + kSecret);
  auto file = OpenHtpasswdFile(path_, &clock_);
  ASSERT_TRUE(file.ok());
  const uint64_t before = (*file)->generation();
  Put(std::string("bob:") + kOther);
  EXPECT_EQ((*file)->generation(), before) << "looked at once a second";
  clock_.now_ms += 1000;
  EXPECT_NE((*file)->generation(), before);
  EXPECT_FALSE((*file)->Verify("alice", "secret").ok());
  EXPECT_TRUE((*file)->Verify("bob", "other").ok());
}

TEST_F(HtpasswdFileTest, AChangeThatIsNoFileOfUsersLeavesThemAsTheyWere) {
  Put(std::string("alice:") + kSecret);
  auto file = OpenHtpasswdFile(path_, &clock_);
  ASSERT_TRUE(file.ok());
  const uint64_t before = (*file)->generation();
  Put("alice:secret");
  clock_.now_ms += 1000;
  EXPECT_EQ((*file)->generation(), before);
  std::filesystem::remove(path_);
  clock_.now_ms += 1000;
  EXPECT_EQ((*file)->generation(), before);
  EXPECT_TRUE((*file)->Verify("alice", "secret").ok());
}

TEST_F(HtpasswdFileTest, TimeDoesNotTellWhoIsThere) {
  std::string users = std::string("dear:") + kDear + "\n";
  for (int i = 0; i < 20; ++i) {
    users += "cheap" + std::to_string(i) + ":" + kOther + "\n";
  }
  Put(users);
  auto file = OpenHtpasswdFile(path_, &clock_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Verify("dear", "secret").ok());
  const auto cost = [&](const char* user) {
    return CpuMsOf([&] { EXPECT_FALSE((*file)->Verify(user, "x").ok()); });
  };
  const double dear = cost("dear");
  EXPECT_GT(cost("nobody"), dear / 4);
  EXPECT_GT(cost("cheap1"), dear / 4);
  EXPECT_TRUE((*file)->Verify("cheap1", "other").ok());
}

TEST_F(HtpasswdFileTest, SaysWhichLineIsWrong) {
  const std::string alice = std::string("alice:") + kSecret + "\n";
  EXPECT_EQ(Fault(alice + "bob"), "line 2 has no \"user:hash\"");
  EXPECT_EQ(Fault(":" + std::string(kSecret)), "line 1 has no \"user:hash\"");
  EXPECT_EQ(Fault("\n" + alice + alice),
            "line 3 has a user who is there already");
  EXPECT_NE(Fault(alice + "bob:secret").find("line 2 has no password hash"),
            std::string::npos);
  // Plain passwords are not repeated.
  EXPECT_EQ(Fault("bob:hunter2").find("hunter2"), std::string::npos);
  EXPECT_EQ(Fault("# nobody"), "has no users");
  EXPECT_NE(Fault(std::string(limits::kUserNameBytesMax + 1, 'u') + ":" +
                  kSecret),
            "");
}

TEST_F(HtpasswdFileTest, RefusesFilesThatAreTooLarge) {
  Put(std::string(limits::kUserFileBytesMax + 1, '\n'));
  EXPECT_FALSE(OpenHtpasswdFile(path_, &clock_).ok());
  std::string users;
  for (size_t i = 0; i <= limits::kUserFileUsersMax; ++i) {
    users += "u" + std::to_string(i) + ":" + kOther + "\n";
  }
  EXPECT_NE(Fault(users).find("one user more"), std::string::npos);
}

TEST_F(HtpasswdFileTest, AMissingFileNamesTheFlag) {
  const auto file = OpenHtpasswdFile(path_, &clock_);
  EXPECT_NE(file.status().message().find("--htpasswd-file"),
            absl::string_view::npos);
}

TEST(FixedUserTest, KnowsOneUser) {
  auto user = MakeFixedUser("alice", "secret");
  ASSERT_TRUE(user.ok());
  EXPECT_TRUE((*user)->Verify("alice", "secret").ok());
  EXPECT_FALSE((*user)->Verify("alice", "secre").ok());
  EXPECT_FALSE((*user)->Verify("bob", "secret").ok());
}

TEST(FixedUserTest, RefusesWhatNobodyCanSend) {
  EXPECT_FALSE(MakeFixedUser("", "secret").ok());
  EXPECT_FALSE(MakeFixedUser("a:b", "secret").ok());
  EXPECT_FALSE(MakeFixedUser("alice", "").ok());
  EXPECT_FALSE(MakeFixedUser(
                   "alice", std::string(limits::kPasswordBytesMax + 1, 'x'))
                   .ok());
}

}  // namespace
}  // namespace millstream::auth
