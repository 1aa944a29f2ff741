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
          if (run_id == "gone") return absl::NotFoundError("");
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

  void Log(const std::string& run_id, int64_t step, size_t count = 1) {
    const std::vector<MetricPoint> points(count, {step, step, 0.5});
    const storage::SeriesAppend series{"m", points};
    feed_->PointsLogged(run_id, {&series, 1});
  }

  // Steps of the first points of the events.
  std::vector<int64_t> Steps(RunFeed::Subscription& watcher,
                             size_t points_max = 1000) {
    std::vector<std::shared_ptr<const LoggedPoints>> events;
    status_ = watcher.ReadPoints(points_max, &events);
    std::vector<int64_t> steps;
    for (const auto& event : events) {
      steps.push_back(event->series[0].second[0].step);
    }
    return steps;
  }
  std::vector<std::pair<std::string, uint8_t>> Changes(
      RunFeed::Subscription& watcher, size_t runs_max = 1000) {
    std::vector<std::pair<std::string, uint8_t>> runs;
    status_ = watcher.ReadChanges(runs_max, &runs, &all_);
    return runs;
  }

  TestClock clock_;
  std::unique_ptr<RunFeed> feed_;
  absl::Status status_;
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

TEST_F(RunFeedTest, WhoFallsBehindIsToldWhereItWas) {
  Make({.topic_bytes = 10'000});
  auto watcher = Watch(PointsOf("a1"));
  auto other = Watch(PointsOf("a2"));
  Log("a1", 1);
  EXPECT_THAT(Steps(*watcher), ElementsAre(1));
  const std::string position = watcher->position();
  for (int i = 2; i < 100; ++i) Log("a1", i, 10);
  EXPECT_THAT(Steps(*watcher), IsEmpty());
  EXPECT_EQ(GetErrorCode(status_), v1::RESOURCE_EXHAUSTED);
  EXPECT_NE(std::string(status_.message()).find(position), std::string::npos)
      << status_;
  EXPECT_FALSE(Watch(PointsOf("a1"), position)->resumed());
  Log("a2", 1);
  EXPECT_THAT(Steps(*other), ElementsAre(1)) << "others do not suffer";
}

TEST_F(RunFeedTest, AllTopicsTogetherAreBounded) {
  Make({.topic_bytes = 10'000, .bytes = 15'000});
  auto large = Watch(PointsOf("a1"));
  auto small = Watch(PointsOf("a2"));
  for (int i = 0; i < 20; ++i) Log("a1", i, 10);
  for (int i = 0; i < 12; ++i) Log("a2", i, 10);
  EXPECT_EQ(Steps(*small).size(), 12u);
  Steps(*large);
  EXPECT_FALSE(status_.ok()) << "the largest gives way";
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
  Changes(*watcher);
  EXPECT_EQ(GetErrorCode(status_), v1::RESOURCE_EXHAUSTED);
}

TEST_F(RunFeedTest, TheServersBoundsAreTheNamedLimits) {
  const RunFeed::Limits limits;
  EXPECT_EQ(limits.topics, limits::kFeedTopicsMax);
  EXPECT_EQ(limits.topic_bytes, limits::kFeedTopicBytesMax);
  EXPECT_EQ(limits.bytes, limits::kFeedBytesMax);
  EXPECT_EQ(limits.topic_runs, limits::kFeedTopicRunsMax);
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
