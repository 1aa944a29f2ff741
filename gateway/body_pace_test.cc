#include "gateway/body_pace.h"

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

TEST(BodyPace, TheSilentAreOutOfTime) {
  BodyPace pace;
  EXPECT_EQ(pace.MsLeft(), limits::kHttpBodyMsMax);
  pace.Count(limits::kHttpBodyMsMax - 1, 0);
  EXPECT_EQ(pace.MsLeft(), 1);
  pace.Count(10, 1);
  EXPECT_EQ(pace.MsLeft(), 0);
}

TEST(BodyPace, TheSteadyHaveTimeForever) {
  BodyPace pace;
  for (int i = 0; i < 100'000; ++i) {
    pace.Count(1000, limits::kHttpBodyBytesPerSecondMin);
  }
  EXPECT_EQ(pace.MsLeft(), limits::kHttpBodyMsMax);
}

TEST(BodyPace, MuchAtFirstBuysNoSilence) {
  BodyPace pace;
  pace.Count(0, limits::kHttpBodyBytesMax);
  EXPECT_EQ(pace.MsLeft(), limits::kHttpBodyMsMax);
}

TEST(BodyPace, TheSlowAreOutOfTimeSooner) {
  BodyPace pace;
  int64_t ms = 0;
  while (pace.MsLeft() > 0) {
    pace.Count(1000, limits::kHttpBodyBytesPerSecondMin / 2);
    ms += 1000;
  }
  EXPECT_EQ(ms, 2 * limits::kHttpBodyMsMax);
}

}  // namespace
}  // namespace millstream::gateway
