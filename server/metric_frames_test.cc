#include "server/metric_frames.h"

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::server {
namespace {

using storage::MetricPoint;
using Points = std::vector<MetricPoint>;

class MetricFramesTest : public testing::Test {
 protected:
  // A frame that lives as long as the test.
  v1::MetricFrame* NewFrame(uint64_t number,
                            const std::vector<std::string>& keys = {}) {
    v1::MetricFrame* frame = &made_.emplace_back();
    frame->set_number(number);
    for (const std::string& key : keys) frame->add_new_keys(key);
    return frame;
  }

  static void AddColumn(v1::MetricFrame* frame, uint32_t key,
                        const Points& points) {
    v1::MetricColumn* column = frame->add_columns();
    column->set_key(key);
    MetricPoint before;
    for (const MetricPoint& point : points) {
      column->add_step_deltas(static_cast<int64_t>(
          static_cast<uint64_t>(point.step) -
          static_cast<uint64_t>(before.step)));
      column->add_timestamp_deltas(point.timestamp_ms - before.timestamp_ms);
      column->add_values(point.value);
      before = point;
    }
  }

  absl::Status Add(v1::MetricFrame* frame) { return frames_.Add(frame); }

  void ExpectRefused(v1::MetricFrame* frame, const std::string& text) {
    absl::Status status = Add(frame);
    EXPECT_EQ(GetErrorCode(status), v1::INVALID_PARAMETER_VALUE);
    EXPECT_NE(std::string(status.message()).find(text), std::string::npos)
        << status;
  }

  std::map<std::string, Points> Built() {
    frames_.Build(&batch_);
    std::map<std::string, Points> series;
    for (const auto& s : batch_.series) {
      EXPECT_TRUE(series
                      .emplace(std::string(s.key),
                               Points(s.points.begin(), s.points.end()))
                      .second)
          << s.key << " is there twice";
    }
    return series;
  }

  std::deque<v1::MetricFrame> made_;
  MetricFrames frames_;
  MetricBatch batch_;
};

MATCHER_P(IsPoints, points, "") {
  return std::equal(arg.begin(), arg.end(), points.begin(), points.end(),
                    storage::SamePoint);
}

TEST_F(MetricFramesTest, FramesBecomeOneBatchBySeries) {
  const int64_t least = std::numeric_limits<int64_t>::min();
  v1::MetricFrame* first = NewFrame(1, {"a", "b"});
  AddColumn(first, 0, {{1000, 5, 0.5}, {900, -7, 1}});
  AddColumn(first, 1, {{1, least, 1}, {2, ~least, 2}});
  v1::MetricFrame* second = NewFrame(2, {"c"});
  AddColumn(second, 2, {{3, 3, 3}});
  AddColumn(second, 0, {{1001, 6, 2}});
  ASSERT_TRUE(Add(first).ok());
  ASSERT_TRUE(Add(second).ok());
  auto series = Built();
  ASSERT_EQ(series.size(), 3u);
  EXPECT_THAT(series["a"],
              IsPoints(Points{{1000, 5, 0.5}, {900, -7, 1}, {1001, 6, 2}}));
  EXPECT_THAT(series["b"], IsPoints(Points{{1, least, 1}, {2, ~least, 2}}));
  EXPECT_THAT(series["c"], IsPoints(Points{{3, 3, 3}}));
  EXPECT_EQ(frames_.last(), 2u);
  frames_.Clear();
  EXPECT_TRUE(frames_.empty());
  EXPECT_TRUE(Built().empty());
}

TEST_F(MetricFramesTest, ValuesAreKeptAsLogBatchKeepsThem) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double max = std::numeric_limits<double>::max();
  v1::MetricFrame* frame = NewFrame(1, {"a"});
  AddColumn(frame, 0,
            {{1, 1, infinity}, {2, 2, -infinity}, {3, 3, -0.0}, {4, 4, NAN}});
  ASSERT_TRUE(Add(frame).ok());
  EXPECT_THAT(
      Built()["a"],
      IsPoints(Points{{1, 1, max}, {2, 2, -max}, {3, 3, 0.0}, {4, 4, NAN}}));
}

TEST_F(MetricFramesTest, NumbersLeaveNoGap) {
  frames_.StartAfter(7);
  ExpectRefused(NewFrame(9), "the next is 8");
  ExpectRefused(NewFrame(0), "'number'");
  EXPECT_TRUE(Add(NewFrame(8)).ok());
  ExpectRefused(NewFrame(10), "the next is 9");
  EXPECT_EQ(frames_.last(), 8u);
}

TEST_F(MetricFramesTest, OfFramesThatAreKeptOnlyTheNamesCount) {
  frames_.StartAfter(2);
  v1::MetricFrame* kept = NewFrame(1, {"a"});
  AddColumn(kept, 0, {{1, 1, 1}});
  AddColumn(kept, 77, {{-1, 1, 1}});  // nobody looks at it any more
  ASSERT_TRUE(Add(kept).ok());
  EXPECT_TRUE(frames_.empty());
  v1::MetricFrame* next = NewFrame(3, {"b"});
  AddColumn(next, 0, {{3, 3, 3}});
  AddColumn(next, 1, {{4, 4, 4}});
  ASSERT_TRUE(Add(next).ok());
  v1::MetricFrame* again = NewFrame(3);
  AddColumn(again, 0, {{3, 3, 3}});
  ASSERT_TRUE(Add(again).ok());
  auto series = Built();
  EXPECT_THAT(series["a"], IsPoints(Points{{3, 3, 3}}));
  EXPECT_THAT(series["b"], IsPoints(Points{{4, 4, 4}}));
}

TEST_F(MetricFramesTest, ANameThatComesTwiceIsOneSeries) {
  v1::MetricFrame* first = NewFrame(1, {"a", "b", "a"});
  AddColumn(first, 0, {{1, 1, 1}});
  ASSERT_TRUE(Add(first).ok());
  v1::MetricFrame* second = NewFrame(2);
  AddColumn(second, 2, {{2, 2, 2}});
  ASSERT_TRUE(Add(second).ok());
  EXPECT_THAT(Built()["a"], IsPoints(Points{{1, 1, 1}, {2, 2, 2}}));
  v1::MetricFrame* both = NewFrame(3);
  AddColumn(both, 0, {{3, 3, 3}});
  AddColumn(both, 2, {{3, 3, 3}});
  ExpectRefused(both, "second one of 'a'");
}

TEST_F(MetricFramesTest, ARefusedFrameLeavesNoPoints) {
  v1::MetricFrame* good = NewFrame(1, {"a", "b"});
  AddColumn(good, 0, {{1, 1, 1}});
  ASSERT_TRUE(Add(good).ok());
  v1::MetricFrame* bad = NewFrame(2);
  AddColumn(bad, 0, {{2, 2, 2}});
  AddColumn(bad, 1, {{2, 2, 2}, {-1, 2, 2}});
  ExpectRefused(bad, "columns[1].timestamp");
  EXPECT_EQ(frames_.last(), 1u);
  auto series = Built();
  ASSERT_EQ(series.size(), 1u);
  EXPECT_THAT(series["a"], IsPoints(Points{{1, 1, 1}}));
}

TEST_F(MetricFramesTest, ColumnsFitTheDictionaryAndThemselves) {
  v1::MetricFrame* unknown = NewFrame(1, {"a"});
  AddColumn(unknown, 1, {{1, 1, 1}});
  ExpectRefused(unknown, "has key 1");
  v1::MetricFrame* uneven = NewFrame(1);
  AddColumn(uneven, 0, {{1, 1, 1}});
  uneven->mutable_columns(0)->add_values(2);
  ExpectRefused(uneven, "2 values, 1 steps");
  v1::MetricFrame* name = NewFrame(1, {"no\nname"});
  ExpectRefused(name, "new_keys[0].key");
  ExpectRefused(NewFrame(1, {""}), "new_keys[0].key");
  ExpectRefused(NewFrame(1, {std::string(limits::kKeyLengthMax + 1, 'x')}),
                "new_keys[0].key");
}

TEST_F(MetricFramesTest, DictionariesHaveALimit) {
  v1::MetricFrame* full = NewFrame(1);
  for (size_t i = 0; i < limits::kMetricStreamKeysMax; ++i) {
    full->add_new_keys(std::to_string(i));
  }
  ASSERT_TRUE(Add(full).ok());
  EXPECT_GT(frames_.key_bytes(), 4 * limits::kMetricStreamKeysMax);
  ExpectRefused(NewFrame(2, {"more"}), "dictionary");
}

TEST_F(MetricFramesTest, FramesHaveLimits) {
  v1::MetricFrame* columns = NewFrame(1, {"a"});
  for (int i = 0; i <= limits::kMetricFrameColumnsMax; ++i) {
    columns->add_columns();
  }
  ExpectRefused(columns, "columns");
  v1::MetricFrame* points = NewFrame(1);
  AddColumn(points, 0, Points(limits::kMetricFramePointsMax));
  ASSERT_TRUE(Add(points).ok());
  points = NewFrame(2);
  AddColumn(points, 0, Points(limits::kMetricFramePointsMax + 1));
  ExpectRefused(points, "points");
}

}  // namespace
}  // namespace millstream::server
