#include "auth/guess_limits.h"

#include <string>

#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::auth {
namespace {

TEST(GuessLimitsTest, OneAddressWaitsAfterSoManyGuessesForAUser) {
  GuessLimits guesses;
  int64_t now_ms = 1'000'000;
  for (int i = 0; i < limits::kGuessesOfPairMax; ++i) {
    EXPECT_EQ(guesses.TakeOrWaitMs("1.2.3.4", "alice", now_ms), 0) << i;
  }
  const int64_t wait_ms = guesses.TakeOrWaitMs("1.2.3.4", "alice", now_ms);
  EXPECT_GT(wait_ms, 0);
  EXPECT_LE(wait_ms, limits::kGuessOfPairMsMin + 1);
  // Another from elsewhere does not.
  EXPECT_EQ(guesses.TakeOrWaitMs("1.2.3.5", "bob", now_ms), 0);
  now_ms += wait_ms;
  EXPECT_EQ(guesses.TakeOrWaitMs("1.2.3.4", "alice", now_ms), 0);
  EXPECT_GT(guesses.TakeOrWaitMs("1.2.3.4", "alice", now_ms), 0);
}

TEST(GuessLimitsTest, OneAddressWaitsWhoeverItPretendsToBe) {
  GuessLimits guesses;
  for (int i = 0; i < limits::kGuessesMax; ++i) {
    EXPECT_EQ(guesses.TakeOrWaitMs("1.2.3.4", std::to_string(i), 0), 0) << i;
  }
  EXPECT_GT(guesses.TakeOrWaitMs("1.2.3.4", "next", 0), 0);
  EXPECT_EQ(guesses.TakeOrWaitMs("1.2.3.4", "next", limits::kGuessMsMin), 0);
}

TEST(GuessLimitsTest, GuessesForOneUserWaitFromAnywhere) {
  GuessLimits guesses;
  for (int i = 0; i < limits::kGuessesMax; ++i) {
    EXPECT_EQ(guesses.TakeOrWaitMs(std::to_string(i), "alice", 0), 0) << i;
  }
  EXPECT_GT(guesses.TakeOrWaitMs("next", "alice", 0), 0);
}

TEST(GuessLimitsTest, RightPasswordsDoNotCount) {
  GuessLimits guesses;
  for (int i = 0; i < 10 * limits::kGuessesMax; ++i) {
    ASSERT_EQ(guesses.TakeOrWaitMs("1.2.3.4", "alice", 0), 0) << i;
    guesses.WasRight("1.2.3.4", "alice", 0);
  }
}

TEST(GuessLimitsTest, NobodyLocksOutWhoWasRightLately) {
  GuessLimits guesses;
  EXPECT_EQ(guesses.TakeOrWaitMs("1.2.3.4", "alice", 0), 0);
  guesses.WasRight("1.2.3.4", "alice", 0);
  for (int i = 0; i < limits::kGuessesMax; ++i) {
    guesses.TakeOrWaitMs("6.6.6.6", "alice", 0);
    guesses.TakeOrWaitMs(std::to_string(i), "alice", 0);
    guesses.TakeOrWaitMs("1.2.3.4", std::to_string(i), 0);
  }
  EXPECT_GT(guesses.TakeOrWaitMs("6.6.6.6", "alice", 0), 0);
  EXPECT_EQ(guesses.TakeOrWaitMs("1.2.3.4", "alice", 0), 0);
  // But not for ever.
  const int64_t later_ms = limits::kKnownPairMsMax;
  for (int i = 0; i < limits::kGuessesMax; ++i) {
    guesses.TakeOrWaitMs(std::to_string(i), "alice", later_ms);
  }
  EXPECT_GT(guesses.TakeOrWaitMs("1.2.3.4", "alice", later_ms), 0);
}

TEST(GuessLimitsTest, TablesAreBounded) {
  GuessLimits guesses;
  for (size_t i = 0; i < limits::kGuessersMax + 100; ++i) {
    const std::string name = std::to_string(i);
    ASSERT_EQ(guesses.TakeOrWaitMs(name, name, 0), 0);
    ASSERT_EQ(guesses.TakeOrWaitMs(name, name, 0), 0);
    guesses.WasRight(name, name, 0);
  }
  EXPECT_LE(guesses.size(), 4 * limits::kGuessersMax);
}

}  // namespace
}  // namespace millstream::auth
