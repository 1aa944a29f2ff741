// TailMetrics: what is sent first, what then, and what to a caller that is
// slower than the writers. Over a connection: tests/api/test_watching.py.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/feed_stream_testing.h"
#include "server/run_poller.h"

namespace millstream::server {
namespace {

using TailMetricsTest = FeedStreamTest;

TEST_F(TailMetricsTest, ATailSendsWhatIsStoredThenWhatComes) {
  Log(run_, "loss", 1, 3);
  Log(run_, "acc", 7);
  auto tail = NewTail(OfRun());
  const auto stored = tail->UntilLive();
  EXPECT_EQ(StepsOf(stored),
            (Steps{{"run1/acc", {7}}, {"run1/loss", {1, 2, 3}}}));
  for (size_t i = 0; i + 1 < stored.size(); ++i) {
    EXPECT_EQ(stored[i].position(), "") << "there is no place in between";
  }
  EXPECT_NE(stored.back().position(), "");
  Log(run_, "loss", 4, 2);
  const auto live = tail->Next();
  EXPECT_EQ(StepsOf({live}), (Steps{{"run1/loss", {4, 5}}}));
  EXPECT_NE(live.position(), "");
  EXPECT_FALSE(live.live());
  EXPECT_FALSE(tail->HasAnswer());
}

TEST_F(TailMetricsTest, ATailGoesOnFromAPosition) {
  auto request = OfRun();
  request.set_from_now(true);
  Log(run_, "m", 1);
  std::string position;
  {
    auto tail = NewTail(request);
    EXPECT_TRUE(StepsOf(tail->UntilLive()).empty());
    Log(run_, "m", 2);
    const auto answer = tail->Next();
    EXPECT_EQ(StepsOf({answer}), (Steps{{"run1/m", {2}}}));
    position = answer.position();
    Log(run_, "m", 3);
  }
  Log(run_, "m", 4);
  request.set_position(position);
  auto tail = NewTail(request);
  const auto answers = tail->UntilLive();
  EXPECT_EQ(StepsOf(answers), (Steps{{"run1/m", {3, 4}}}));
  EXPECT_FALSE(answers[0].restarted());
}

TEST_F(TailMetricsTest, FromAnUnknownPositionEverythingIsSentAgain) {
  Log(run_, "m", 1, 2);
  auto request = OfRun();
  request.set_position(std::string(16, '0') + ".7");
  const auto answers = NewTail(request)->UntilLive();
  EXPECT_TRUE(answers[0].restarted());
  EXPECT_EQ(StepsOf(answers), (Steps{{"run1/m", {1, 2}}}));
}

TEST_F(TailMetricsTest, LongHistoriesComeInPieces) {
  constexpr int kPoints = 2 * limits::kTailAnswerPointsMax + 5;
  Log(run_, "a", 0, kPoints);
  Log(run_, "b", 0, 3);
  auto tail = NewTail(OfRun());
  const auto answers = tail->UntilLive();
  for (const auto& answer : answers) {
    int points = 0;
    for (const auto& column : answer.columns()) points += column.values_size();
    EXPECT_LE(points, static_cast<int>(limits::kTailAnswerPointsMax));
  }
  Steps steps = StepsOf(answers);
  EXPECT_EQ(steps["run1/a"].size(), static_cast<size_t>(kPoints));
  EXPECT_EQ(steps["run1/b"].size(), 3u);
}

TEST_F(TailMetricsTest, LargeWritesComeInPieces) {
  auto request = OfRun();
  request.set_from_now(true);
  auto tail = NewTail(request);
  tail->UntilLive();
  // Fits what is held.
  Log(run_, "a", 0, 4000);
  constexpr int kPoints = 2 * limits::kTailAnswerPointsMax;
  Steps steps;
  AddSteps(tail->Next(), &steps);
  EXPECT_EQ(steps["run1/a"].size(), 4000u);
  static_assert(4000 < kPoints);
}

TEST_F(TailMetricsTest, PointsThatComeMeanwhileAreNotLeftOut) {
  Log(run_, "m", 0, 2 * limits::kTailAnswerPointsMax);
  auto tail = NewTail(OfRun());
  std::vector<v1::TailMetricsResponse> answers = {tail->Next()};
  Log(run_, "early", 1);
  Log(run_, "m", -5);  // before what was sent already
  for (const auto& answer : tail->UntilLive()) answers.push_back(answer);
  Log(run_, "end", 9);
  Steps steps = StepsOf(answers);
  AddSteps(tail->Next(), &steps);
  EXPECT_EQ(steps["run1/end"], std::vector<int64_t>{9});
  EXPECT_THAT(steps["run1/early"], testing::Contains(1));
  EXPECT_THAT(steps["run1/m"], testing::Contains(-5));
}

TEST_F(TailMetricsTest, AnExperimentsTailHasAllItsRuns) {
  const std::string other = NewRun();
  Log(run_, "m", 1);
  Log(other, "m", 2);
  v1::TailMetricsRequest request;
  request.set_experiment_id("0");
  request.add_keys("m");
  auto tail = NewTail(request);
  EXPECT_EQ(StepsOf(tail->UntilLive()),
            (Steps{{"run1/m", {1}}, {"run2/m", {2}}}));
  const std::string third = NewRun();
  Log(third, "unwanted", 3);
  Log(third, "m", 4);
  EXPECT_EQ(StepsOf({tail->Next()}), (Steps{{"run3/m", {4}}}));
}

// A writer that is faster than its watcher, from before the first answer on:
// much more than is held comes while each is sent.
TEST_F(TailMetricsTest, ABusyRunBecomesLiveAndIsSentOnce) {
  constexpr int kHistory = 3 * limits::kTailAnswerPointsMax;
  constexpr int kRounds = 30;
  constexpr int kPerRound = 6000;
  Log(run_, "m", 0, kHistory);
  auto tail = NewTail(OfRun());
  int64_t last = kHistory;
  Steps steps;
  std::string position;
  bool live = false;
  size_t points = 0;
  auto take = [&] {
    const auto answer = tail->Next();
    EXPECT_FALSE(answer.restarted());
    live |= answer.live();
    position = answer.position();
    AddSteps(answer, &steps);
  };
  for (int i = 0; i < kRounds; ++i) {
    Log(run_, "m", last, kPerRound);
    last += kPerRound;
    take();
  }
  std::set<int64_t> seen;
  while (static_cast<int64_t>(seen.size()) < last && !HasFailure()) {
    take();
    for (int64_t step : steps["run1/m"]) seen.insert(step);
    points += steps["run1/m"].size();
    steps.clear();
  }
  EXPECT_LT(static_cast<double>(points), 1.1 * static_cast<double>(last));
  while (!live && !HasFailure()) take();
  // And there is a place to go on from: behind the second, all is quiet.
  for (int i = 0; i < 2; ++i) {
    Log(run_, "m", ++last, 1);
    while (!seen.contains(last) && !HasFailure()) {
      take();
      for (int64_t step : steps["run1/m"]) seen.insert(step);
    }
  }
  tail.reset();
  Log(run_, "m", last + 1, 1);
  auto request = OfRun();
  request.set_position(position);
  const auto answers = NewTail(request)->UntilLive();
  EXPECT_FALSE(answers[0].restarted());
  EXPECT_EQ(StepsOf(answers), (Steps{{"run1/m", {last + 1}}}));
}

TEST_F(TailMetricsTest, ALiveReaderThatIsSlowGetsTheRestFromTheStore) {
  const std::string other = NewRun();
  v1::TailMetricsRequest request;
  request.set_experiment_id("0");
  request.set_from_now(true);
  Log(run_, "m", 0, 5000);
  auto tail = NewTail(request);
  tail->UntilLive();
  // Two metrics, then more than are remembered apart.
  for (int metrics : {1, 6}) {
    Steps expected, steps;
    for (int i = 0; i < 40; ++i) {
      for (const std::string& run : {run_, other}) {
        const std::string key = "m" + std::to_string(i % metrics);
        const int64_t first = metrics * 1'000'000 + i * 1000;
        Log(run, key, first, 500);
        for (int64_t step = first; step < first + 500; ++step) {
          expected[run + "/" + key].push_back(step);
        }
      }
    }
    // Some that came before may come again.
    auto is_complete = [&] {
      for (auto& [_, of_key] : steps) std::sort(of_key.begin(), of_key.end());
      return std::all_of(
          expected.begin(), expected.end(), [&](const auto& of_key) {
            const auto& sent = steps[of_key.first];
            return std::includes(sent.begin(), sent.end(),
                                 of_key.second.begin(), of_key.second.end());
          });
    };
    while (!is_complete() && !HasFailure()) AddSteps(tail->Next(), &steps);
  }
}

TEST_F(TailMetricsTest, AWriteThatIsLargerThanWhatIsHeldArrives) {
  auto request = OfRun();
  request.set_from_now(true);
  auto tail = NewTail(request);
  tail->UntilLive();
  constexpr size_t kPoints = 20'000;
  Log(run_, "m", 0, kPoints);
  Steps steps;
  std::set<int64_t> seen;
  while (seen.size() < kPoints && !HasFailure()) {
    AddSteps(tail->Next(), &steps);
    seen.insert(steps["run1/m"].begin(), steps["run1/m"].end());
  }
  EXPECT_LE(steps["run1/m"].size(), 2 * kPoints);
}

class SharedTailTest : public TailMetricsTest {
 protected:
  SharedTailTest() { parts_.poller = &poller_; }

  // Looks at the other server, and reads on until the tail has sent `expected`.
  void ExpectNext(Tail& tail, const Steps& expected) {
    ASSERT_TRUE(poller_.Poll().ok());
    Steps steps;
    while (steps != expected && !HasFailure()) {
      AddSteps(tail.Next(), &steps);
      for (const auto& [key, of_key] : steps) {
        ASSERT_TRUE(expected.contains(key)) << key;
        ASSERT_LE(of_key.size(), expected.at(key).size()) << key;
      }
    }
  }

  // The next answer with points: one without tells a position alone.
  Steps NextSteps(Tail& tail) {
    Steps steps;
    while (steps.empty() && !HasFailure()) AddSteps(tail.Next(), &steps);
    return steps;
  }

  RunPoller poller_{stores_.tracking(), &points_, &feed_,
                    {.interval = absl::ZeroDuration()}};
};

TEST_F(SharedTailTest, PointsThatAnotherServerTakesArrive) {
  Log(run_, "m", 1, 3);
  auto tail = NewTail(OfRun());
  EXPECT_EQ(StepsOf(tail->UntilLive()), (Steps{{"run1/m", {1, 2, 3}}}));
  LogElsewhere(run_, "m", 4);
  LogElsewhere(run_, "m", 5);
  ExpectNext(*tail, {{"run1/m", {4, 5}}});
  // What came here is sent once; a metric may be new.
  Log(run_, "m", 6);
  EXPECT_EQ(NextSteps(*tail), (Steps{{"run1/m", {6}}}));
  LogElsewhere(run_, "m", 7);
  LogElsewhere(run_, "n", 1);
  ExpectNext(*tail, {{"run1/m", {7}}, {"run1/n", {1}}});
  // It comes before the latest, and with the end of the run.
  LogElsewhere(run_, "n", 3);
  ExpectNext(*tail, {{"run1/n", {3}}});
  LogElsewhere(run_, "n", 2);
  ASSERT_TRUE(stores_.tracking()->DeleteRun(run_, 1).ok());
  ExpectNext(*tail, {{"run1/n", {2}}});
}

TEST_F(SharedTailTest, RunsThatAnotherServerMakesAreTailed) {
  Log(run_, "m", 1);
  v1::TailMetricsRequest request;
  request.set_experiment_id("0");
  request.set_from_now(true);
  auto tail = NewTail(request);
  EXPECT_TRUE(StepsOf(tail->UntilLive()).empty());
  LogElsewhere(NewRun(), "m", 2);
  ExpectNext(*tail, {{"run2/m", {2}}});
}

TEST_F(SharedTailTest, WhatWasSentLongAgoMayBeSentAgain) {
  constexpr int kPoints = limits::kTailSentPointsMax + 500;
  Log(run_, "m", 0, kPoints);
  auto tail = NewTail(OfRun());
  Steps steps = StepsOf(tail->UntilLive());
  ASSERT_EQ(steps["run1/m"].size(), static_cast<size_t>(kPoints));
  LogElsewhere(run_, "m", kPoints);
  ASSERT_TRUE(poller_.Poll().ok());
  while (steps["run1/m"].back() != kPoints && !HasFailure()) {
    AddSteps(tail->Next(), &steps);
  }
  EXPECT_LE(steps["run1/m"].size(), static_cast<size_t>(2 * kPoints + 1));
}

TEST_F(SharedTailTest, SeriesThatAreComparedAreBounded) {
  RunPoller poller(stores_.tracking(), &points_, &feed_,
                   {.interval = absl::ZeroDuration(), .series = 1});
  parts_.poller = &poller;
  Log(run_, "m", 1);
  {
    auto tail = NewTail(OfRun());
    tail->UntilLive();
    LogElsewhere(run_, "n", 1);
    LogElsewhere(run_, "m", 2);
    ASSERT_TRUE(poller.Poll().ok());
    EXPECT_EQ(NextSteps(*tail), (Steps{{"run1/m", {2}}}));
  }
  parts_.poller = &poller_;
}

TEST_F(SharedTailTest, ATailGoesOnFromAPosition) {
  Log(run_, "m", 1);
  auto tail = NewTail(OfRun());
  auto request = OfRun();
  request.set_position(tail->UntilLive().back().position());
  tail.reset();
  LogElsewhere(run_, "m", 2);
  ASSERT_TRUE(poller_.Poll().ok());
  tail = NewTail(request);
  std::set<int64_t> seen;
  while (!seen.contains(2) && !HasFailure()) {
    const auto answer = tail->Next();
    EXPECT_FALSE(answer.restarted());
    Steps steps = StepsOf({answer});
    seen.insert(steps["run1/m"].begin(), steps["run1/m"].end());
  }
}

}  // namespace
}  // namespace millstream::server
