#include "server/run_feed.h"

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::server {
namespace {

using storage::MetricPoint;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class TestClock final : public Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  int64_t now_ms = 1000;
};

class RunFeedTest : public testing::Test {
 protected:
  RunFeedTest() { Make({}); }
  void Make(const RunFeed::Limits& limits) {
    feed_ = std::make_unique<RunFeed>(
        [this](std::string_view run_id) -> absl::StatusOr<std::string> {
          ++lookups_;
          if (run_id == "gone") return DoesNotExist("no run");
          if (run_id == "unknown") return absl::UnavailableError("database");
          return std::string(run_id.substr(0, 1));
        },
        &clock_, limits);
  }

  std::unique_ptr<RunFeed::Subscription> Watch(
      const RunFeed::Subject& subject, const std::string& position = "") {
    auto watcher = feed_->Subscribe(subject, position, [this] { ++wakes_; });
    EXPECT_TRUE(watcher.ok()) << watcher.status();
    return *std::move(watcher);
  }
  static RunFeed::Subject PointsOf(const std::string& run_id) {
    return {.points = true, .id = run_id};
  }
  static RunFeed::Subject ChangesOf(const std::string& run_id) {
    return {.id = run_id};
  }
  static RunFeed::Subject ChangesIn(const std::string& experiment_id) {
    return {.experiment = true, .id = experiment_id};
  }

  void Log(const std::string& run_id, int64_t step, size_t count = 1,
           const std::string& key = "m") {
    const std::vector<MetricPoint> points(count, {step, step, 0.5});
    const storage::SeriesAppend series{key, points};
    feed_->PointsLogged(run_id, {&series, 1});
  }

  // Steps of the first points of the events.
  std::vector<int64_t> Steps(RunFeed::Subscription& watcher,
                             size_t points_max = 1000) {
    std::vector<std::shared_ptr<const LoggedPoints>> events;
    watcher.ReadPoints(points_max, &events);
    std::vector<int64_t> steps;
    for (const auto& event : events) {
      steps.push_back(event->series[0].points[0].step);
    }
    return steps;
  }
  std::vector<std::pair<std::string, uint8_t>> Changes(
      RunFeed::Subscription& watcher, size_t runs_max = 1000) {
    std::vector<std::pair<std::string, uint8_t>> runs;
    watcher.ReadChanges(runs_max, &runs, &all_);
    return runs;
  }

  TestClock clock_;
  std::unique_ptr<RunFeed> feed_;
  bool all_ = false;
  int wakes_ = 0;
  int lookups_ = 0;
};

TEST_F(RunFeedTest, WhoWatchesARunSeesItsPoints) {
  Log("a1", 1);
  auto watcher = Watch(PointsOf("a1"));
  EXPECT_THAT(Steps(*watcher), IsEmpty());
  Log("a1", 2);
  Log("a2", 3);
  Log("a1", 4);
  EXPECT_EQ(wakes_, 2);
  EXPECT_THAT(Steps(*watcher, 1), ElementsAre(2));
  EXPECT_THAT(Steps(*watcher), ElementsAre(4));
  EXPECT_THAT(Steps(*watcher), IsEmpty());
  EXPECT_EQ(lookups_, 0) << "nobody watches an experiment";
}

TEST_F(RunFeedTest, WhoWatchesAnExperimentSeesAllItsRuns) {
  auto watcher = Watch({.points = true, .experiment = true, .id = "a"});
  Log("a1", 1);
  Log("b1", 2);
  Log("a2", 3);
  Log("gone", 4);
  Log("a1", 5);
  EXPECT_THAT(Steps(*watcher), ElementsAre(1, 3, 5));
  EXPECT_LE(lookups_, 5) << "remembered";
}

TEST_F(RunFeedTest, APositionIsGoneOnFrom) {
  auto watcher = Watch(PointsOf("a1"));
  Log("a1", 1);
  EXPECT_THAT(Steps(*watcher), ElementsAre(1));
  const std::string position = watcher->position();
  Log("a1", 2);
  EXPECT_THAT(Steps(*watcher), ElementsAre(2));
  watcher.reset();
  Log("a1", 3);
  auto again = Watch(PointsOf("a1"), position);
  EXPECT_TRUE(again->resumed());
  EXPECT_THAT(Steps(*again), ElementsAre(2, 3));
}

TEST_F(RunFeedTest, PositionsOfOtherPlacesAreNotKnown) {
  auto watcher = Watch(PointsOf("a1"));
  EXPECT_FALSE(watcher->resumed());
  const std::string position = watcher->position();
  EXPECT_FALSE(Watch(PointsOf("a2"), position)->resumed());
  const std::string other_start(16, '0');
  EXPECT_FALSE(Watch(PointsOf("a1"), other_start + ".1")->resumed());
  for (const char* junk : {"x", "1", ".", "0000000000000000.x", "%s%s%s.5"}) {
    EXPECT_EQ(GetErrorCode(
                  feed_->Subscribe(PointsOf("a1"), junk, [] {}).status()),
              v1::INVALID_PARAMETER_VALUE)
        << junk;
  }
}

TEST_F(RunFeedTest, ATopicThatNobodyWatchesIsHeldForAWhile) {
  auto watcher = Watch(PointsOf("a1"));
  const std::string position = watcher->position();
  watcher.reset();
  clock_.now_ms += limits::kFeedIdleMsMax;
  auto other = Watch(PointsOf("a2"));
  EXPECT_TRUE(Watch(PointsOf("a1"), position)->resumed());
  clock_.now_ms += limits::kFeedIdleMsMax + 1;
  auto third = Watch(PointsOf("a3"));
  EXPECT_FALSE(Watch(PointsOf("a1"), position)->resumed());
}

TEST_F(RunFeedTest, WhoFallsBehindIsToldWhatToReadElsewhere) {
  Make({.topic_bytes = 10'000});
  auto watcher = Watch(PointsOf("a1"));
  auto other = Watch(PointsOf("a2"));
  Log("a1", 1);
  EXPECT_THAT(Steps(*watcher), ElementsAre(1));
  const std::string position = watcher->position();
  for (int i = 2; i < 100; ++i) Log("a1", i, 10);
  LeftOut left_out;
  ASSERT_TRUE(watcher->ReadLeftOut(&left_out));
  EXPECT_FALSE(left_out.all);
  EXPECT_EQ(left_out.run_id, "a1");
  ASSERT_EQ(left_out.series.size(), 1u);
  EXPECT_EQ(left_out.series.at("m").step, 2);
  const std::vector<int64_t> held = Steps(*watcher);
  ASSERT_FALSE(held.empty());
  EXPECT_EQ(held.back(), 99);
  EXPECT_EQ(watcher->position(), position) << "it has not read the others yet";
  EXPECT_FALSE(watcher->ReadLeftOut(&left_out));
  EXPECT_THAT(Steps(*watcher), IsEmpty());
  EXPECT_NE(watcher->position(), position);
  EXPECT_FALSE(Watch(PointsOf("a1"), position)->resumed());
  Log("a2", 1);
  EXPECT_THAT(Steps(*other), ElementsAre(1)) << "others do not suffer";
  EXPECT_FALSE(other->ReadLeftOut(&left_out));
}

TEST_F(RunFeedTest, WhatWillBeReadAnywayIsNotLeftOut) {
  Make({.topic_bytes = 1000});
  auto watcher = Watch(PointsOf("a1"));
  auto drop = [&](int64_t step) {
    Log("a1", step);
    for (int i = 0; i < 10; ++i) Log("a1", 1000 + i, 1, "other");
    watcher->WillRead("a1", "other", nullptr);
  };
  LeftOut left_out;
  drop(5);
  const MetricPoint before{4, 9, 9}, behind{6, 6, 6};
  watcher->WillRead("a1", "m", &before);
  EXPECT_FALSE(watcher->ReadLeftOut(&left_out));
  drop(5);
  watcher->WillRead("a1", "m", &behind);
  ASSERT_TRUE(watcher->ReadLeftOut(&left_out));
  EXPECT_EQ(left_out.series.at("m").step, 5);
}

TEST_F(RunFeedTest, AWriteThatIsLargerThanATopicReachesItsWatchers) {
  Make({.topic_bytes = 1000, .bytes = 1000});
  auto watcher = Watch(PointsOf("a1"));
  Log("a1", 1, 100);
  EXPECT_THAT(Steps(*watcher), ElementsAre(1));
}

TEST_F(RunFeedTest, LargeWritesArePieces) {
  auto watcher = Watch(PointsOf("a1"));
  Log("a1", 1, 2 * limits::kTailAnswerPointsMax + 1);
  std::vector<std::shared_ptr<const LoggedPoints>> events;
  watcher->ReadPoints(1, &events);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]->series[0].points.size(), limits::kTailAnswerPointsMax);
  watcher->ReadPoints(limits::kTailAnswerPointsMax + 1, &events);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[2]->series[0].points.size(), 1u);
}

TEST_F(RunFeedTest, OfManyMetricsOnlyTheLeastPointIsRemembered) {
  Make({.topic_bytes = 1000, .left_out_series = 5});
  auto watcher = Watch({.points = true, .experiment = true, .id = "a"});
  for (int i = 0; i < 20; ++i) {
    Log("a" + std::to_string(i % 3), 100 - i, 1, std::to_string(i));
  }
  LeftOut left_out;
  ASSERT_TRUE(watcher->ReadLeftOut(&left_out));
  EXPECT_TRUE(left_out.all);
  const std::vector<int64_t> held = Steps(*watcher);
  EXPECT_EQ(left_out.least.step, held.front() + 1);
  EXPECT_FALSE(watcher->ReadLeftOut(&left_out));
}

TEST_F(RunFeedTest, ARunOfWhichTheExperimentIsUnknownReachesAll) {
  auto points = Watch({.points = true, .experiment = true, .id = "a"});
  auto other_points = Watch({.points = true, .experiment = true, .id = "b"});
  auto changes = Watch(ChangesIn("a"));
  Log("unknown", 1);
  std::vector<std::shared_ptr<const LoggedPoints>> events;
  points->ReadPoints(10, &events);
  other_points->ReadPoints(10, &events);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_TRUE(events[0]->of_any_experiment);
  EXPECT_THAT(Changes(*changes), ElementsAre(Pair("unknown", kRunMetrics)));
  Log("gone", 2);
  EXPECT_THAT(Steps(*points), IsEmpty());
  Log("a1", 3);
  points->ReadPoints(10, &events);
  EXPECT_FALSE(events.back()->of_any_experiment);
}

TEST_F(RunFeedTest, AllTopicsTogetherAreBounded) {
  Make({.topic_bytes = 10'000, .bytes = 15'000});
  auto large = Watch(PointsOf("a1"));
  auto small = Watch(PointsOf("a2"));
  for (int i = 0; i < 20; ++i) Log("a1", i, 10);
  for (int i = 0; i < 12; ++i) Log("a2", i, 10);
  EXPECT_EQ(Steps(*small).size(), 12u);
  LeftOut left_out;
  EXPECT_FALSE(small->ReadLeftOut(&left_out));
  EXPECT_TRUE(large->ReadLeftOut(&left_out)) << "the largest gives way";
}

TEST_F(RunFeedTest, WhatWatchersHoldIsCounted) {
  Make({.topic_bytes = 20'000, .bytes = 15'000});
  auto watcher = Watch(PointsOf("a1"));
  for (int i = 0; i < 15; ++i) Log("a1", i, 10);
  std::vector<std::shared_ptr<const LoggedPoints>> held;
  watcher->ReadPoints(1000, &held);
  EXPECT_EQ(held.size(), 15u);
  for (int i = 0; i < 40; ++i) Log("a1", i, 10);
  EXPECT_EQ(Steps(*watcher).size(), 15u);
  held.clear();
  for (int i = 0; i < 40; ++i) Log("a1", i, 10);
  EXPECT_EQ(Steps(*watcher).size(), 30u);
}

TEST_F(RunFeedTest, TopicsAreCounted) {
  Make({.topics = 2});
  auto one = Watch(PointsOf("a1"));
  auto two = Watch(PointsOf("a2"));
  EXPECT_EQ(
      GetErrorCode(feed_->Subscribe(PointsOf("a3"), "", [] {}).status()),
      v1::RESOURCE_EXHAUSTED);
  auto again = Watch(PointsOf("a1"));
  two.reset();
  Watch(PointsOf("a3"));
}

TEST_F(RunFeedTest, ChangesOfARunAreSeenOnce) {
  auto watcher = Watch(ChangesOf("a1"));
  feed_->RunChanged("a1", kRunParams);
  feed_->RunChanged("a2", kRunAll);
  Log("a1", 1);
  feed_->RunChanged("a1", kRunParams);
  EXPECT_THAT(Changes(*watcher),
              ElementsAre(Pair("a1", kRunParams | kRunMetrics)));
  EXPECT_THAT(Changes(*watcher), IsEmpty());
  feed_->RunChanged("a1", kRunTags);
  EXPECT_THAT(Changes(*watcher), ElementsAre(Pair("a1", kRunTags)));
}

TEST_F(RunFeedTest, ARunThatChangesWhileOthersAreReadLosesNoPart) {
  auto watcher = Watch(ChangesIn("a"));
  feed_->RunChanged("a1", kRunInfo);
  feed_->RunChanged("a2", kRunParams);
  feed_->RunChanged("a3", kRunInfo);
  EXPECT_THAT(Changes(*watcher, 1), ElementsAre(Pair("a1", kRunInfo)));
  const std::string position = watcher->position();
  feed_->RunChanged("a2", kRunTags);
  EXPECT_THAT(Changes(*watcher),
              ElementsAre(Pair("a3", kRunInfo),
                          Pair("a2", kRunParams | kRunTags)));
  // The position is from before all was read.
  EXPECT_EQ(Changes(*Watch(ChangesIn("a"), position)).size(), 3u);
  EXPECT_THAT(Changes(*Watch(ChangesIn("a"), watcher->position())), IsEmpty());
}

TEST_F(RunFeedTest, AnExperimentsStageIsThatOfAllItsRuns) {
  auto of_experiment = Watch(ChangesIn("a"));
  auto of_other = Watch(ChangesIn("b"));
  auto of_run = Watch(ChangesOf("a1"));
  feed_->RunChanged("a2", kRunInfo);
  feed_->ExperimentChanged("a");
  EXPECT_THAT(Changes(*of_experiment), IsEmpty());
  EXPECT_TRUE(all_);
  EXPECT_THAT(Changes(*of_experiment), IsEmpty());
  EXPECT_FALSE(all_);
  Changes(*of_other);
  EXPECT_FALSE(all_);
  EXPECT_THAT(Changes(*of_run), ElementsAre(Pair("a1", kRunInfo)));
}

TEST_F(RunFeedTest, RunsWhoseChangesAreHeldAreBounded) {
  Make({.topic_runs = 3});
  auto watcher = Watch(ChangesIn("a"));
  for (int i = 0; i < 3; ++i) {
    feed_->RunChanged("a" + std::to_string(i), kRunInfo);
  }
  EXPECT_EQ(Changes(*watcher).size(), 3u);
  for (int i = 3; i < 7; ++i) {
    feed_->RunChanged("a" + std::to_string(i), kRunInfo);
  }
  EXPECT_THAT(Changes(*watcher), IsEmpty());
  EXPECT_TRUE(all_) << "any may have changed";
  EXPECT_THAT(Changes(*watcher), IsEmpty());
  EXPECT_FALSE(all_);
}

TEST_F(RunFeedTest, TheServersBoundsAreTheNamedLimits) {
  const RunFeed::Limits limits;
  EXPECT_EQ(limits.topics, limits::kFeedTopicsMax);
  EXPECT_EQ(limits.topic_bytes, limits::kFeedTopicBytesMax);
  EXPECT_EQ(limits.bytes, limits::kFeedBytesMax);
  EXPECT_EQ(limits.topic_runs, limits::kFeedTopicRunsMax);
  EXPECT_EQ(limits.left_out_series, limits::kFeedLeftOutSeriesMax);
}

TEST_F(RunFeedTest, WatchersComeAndGoWhileOthersWrite) {
  std::thread writer([&] {
    for (int i = 0; i < 2000; ++i) Log("a1", i);
  });
  for (int i = 0; i < 200; ++i) {
    auto watcher = Watch(PointsOf("a1"));
    auto changes = Watch(ChangesIn("a"), "");
    int64_t last = -1;
    for (int64_t step : Steps(*watcher)) {
      if (last >= 0) {
        EXPECT_EQ(step, last + 1);
      }
      last = step;
    }
    Changes(*changes);
  }
  writer.join();
}

}  // namespace
}  // namespace millstream::server
