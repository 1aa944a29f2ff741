#include "app/process_limits.h"

#include <sys/resource.h>

#include "gtest/gtest.h"

namespace millstream::app {
namespace {

TEST(ProcessLimits, AsManyFilesAsMayBe) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = 100;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  const int raised = RaiseFileLimit();
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
  EXPECT_GT(raised, 0);
}

TEST(ProcessLimits, TheMemoryOfTheProcessIsKnown) {
  EXPECT_GT(ResidentBytes(), 1'000'000);
}

TEST(ProcessLimits, TheKeeperEndsAtOnce) {
  for (int i = 0; i < 10; ++i) MemoryKeeper keeper;
}

}  // namespace
}  // namespace millstream::app
