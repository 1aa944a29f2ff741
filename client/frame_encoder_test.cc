#include "client/frame_encoder.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FrameEncoderTest : public testing::Test {
 protected:
  bool Encode(const std::vector<LoggedPoint>& points) {
    frame_.Clear();
    return encoder_.Encode(7, points, names_, &frame_);
  }

  std::string name_;
  FrameEncoder::Names names_ = [this](uint32_t key) -> const std::string& {
    return name_ = "k" + std::to_string(key);
  };
  FrameEncoder encoder_;
  v1::MetricFrame frame_;
};

TEST_F(FrameEncoderTest, PointsOfAKeyAreAColumnOfDifferences) {
  ASSERT_TRUE(Encode({{.step = 5, .timestamp_ms = 100, .value = 1, .key = 3},
                      {.step = 9, .timestamp_ms = 90, .value = 2, .key = 0},
                      {.step = 4, .timestamp_ms = 107, .value = 3, .key = 3}}));
  EXPECT_EQ(frame_.number(), 7);
  EXPECT_THAT(frame_.new_keys(), ElementsAre("k3", "k0"));
  ASSERT_EQ(frame_.columns_size(), 2);
  EXPECT_EQ(frame_.columns(0).key(), 0);
  EXPECT_THAT(frame_.columns(0).step_deltas(), ElementsAre(5, -1));
  EXPECT_THAT(frame_.columns(0).timestamp_deltas(), ElementsAre(100, 7));
  EXPECT_THAT(frame_.columns(0).values(), ElementsAre(1, 3));
  EXPECT_EQ(frame_.columns(1).key(), 1);
  EXPECT_THAT(frame_.columns(1).step_deltas(), ElementsAre(9));
}

TEST_F(FrameEncoderTest, AKeyIsNamedOnce) {
  ASSERT_TRUE(Encode({{.key = 8}}));
  ASSERT_TRUE(Encode({{.key = 2}, {.key = 8}}));
  EXPECT_THAT(frame_.new_keys(), ElementsAre("k2"));
  EXPECT_EQ(frame_.columns(0).key(), 1);
  EXPECT_EQ(frame_.columns(1).key(), 0);
  ASSERT_TRUE(Encode({{.key = 8}}));
  EXPECT_THAT(frame_.new_keys(), IsEmpty());
}

TEST_F(FrameEncoderTest, StepsMayBeAnyNumber) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  ASSERT_TRUE(Encode({{.step = kMax}, {.step = kMin}}));
  EXPECT_THAT(frame_.columns(0).step_deltas(), ElementsAre(kMax, 1));
}

TEST_F(FrameEncoderTest, AFullDictionaryTakesWhatItKnows) {
  constexpr auto kKeys = static_cast<uint32_t>(limits::kMetricStreamKeysMax);
  for (uint32_t key = 0; key < kKeys; ++key)
    ASSERT_TRUE(Encode({{.key = key}}));
  EXPECT_FALSE(Encode({{.key = 1}, {.key = kKeys}}));
  EXPECT_EQ(frame_.columns_size(), 0);
  EXPECT_TRUE(Encode({{.key = 1}}));
}

}  // namespace
}  // namespace millstream::client
