#include "aws/process_output.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::aws {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kLong = absl::Minutes(1);
constexpr absl::Duration kShort = absl::Milliseconds(50);

TEST(ProcessOutputTest, IsWhatAProgramWrites) {
  const auto text = OutputOf("echo a; echo b >&2; cat; echo c", kLong, 100);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, "a\nc\n");
  EXPECT_EQ(*OutputOf("head -c 100000 /dev/zero", kLong, 100'000),
            std::string(100'000, '\0'));
}

TEST(ProcessOutputTest, FailuresAreToldWithoutWhatWasWritten) {
  const absl::Status status =
      OutputOf("echo secret; exit 3", kLong, 100).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("status 3"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret")));
  EXPECT_TRUE(absl::IsUnavailable(OutputOf("kill -9 $$", kLong, 9).status()));
}

TEST(ProcessOutputTest, TooMuchIsTooMuch) {
  EXPECT_TRUE(absl::IsResourceExhausted(
      OutputOf("cat /dev/zero", kLong, 1000).status()));
}

// Also what it has started, and what has closed its output.
TEST(ProcessOutputTest, WhatTakesTooLongIsKilled) {
  const absl::Time start = absl::Now();
  for (const char* command :
       {"sleep 1000", "sleep 1000 & sleep 1000", "exec >&-; sleep 1000"}) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(
        OutputOf(command, kShort, 100).status()))
        << command;
  }
  EXPECT_LT(absl::Now() - start, kLong);
  const std::string alive = ::testing::TempDir() + "/alive";
  EXPECT_FALSE(
      OutputOf("(sleep 0.2; touch " + alive + ") & wait", kShort, 100).ok());
  // Longer than that would have taken.
  EXPECT_TRUE(OutputOf("sleep 0.5", kLong, 100).ok());
  EXPECT_NE(access(alive.c_str(), F_OK), 0);
}

// The server holds them back in all of its threads.
TEST(ProcessOutputTest, SignalsAreAsUsual) {
  sigset_t stop, before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, &before);
  EXPECT_THAT(
      std::string(
          OutputOf("kill $$; sleep 9", kLong, 9).status().message()),
      HasSubstr("signal 15"));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace millstream::aws
