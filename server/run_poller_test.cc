#include "server/run_poller.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/testing/sqlite_stores.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

class TestClock final : public Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  int64_t now_ms = 1000;
};

class RunPollerTest : public testing::Test {
 protected:
  RunPollerTest() {
    for (const char* run_id : {"one", "two"}) {
      v1::RunInfo info;
      info.set_run_id(run_id);
      info.set_experiment_id("0");
      info.set_status(v1::RUNNING);
      v1::Run run;
      EXPECT_TRUE(stores_.tracking()->CreateRun(info, {}, &run).ok());
    }
  }
  std::unique_ptr<RunFeed::Subscription> Watch(
      const RunFeed::Subject& subject, std::function<void()> wake = [] {}) {
    return *feed_.Subscribe(subject, "", std::move(wake));
  }
  // What a round of polling has told a watcher.
  std::vector<std::pair<std::string, uint8_t>> Polled(
      RunFeed::Subscription& watcher) {
    EXPECT_TRUE(poller_.Poll().ok());
    std::vector<std::pair<std::string, uint8_t>> runs;
    bool all = false;
    watcher.ReadChanges(100, &runs, &all);
    EXPECT_FALSE(all);
    return runs;
  }
  // As another server does it.
  void SetTag(const std::string& run_id, const std::string& value) {
    ASSERT_TRUE(stores_.tracking()->SetRunTag(run_id, "k", value).ok());
  }

  const RunFeed::Subject one_{.id = "one"};
  const RunFeed::Subject experiment_{.experiment = true, .id = "0"};
  storage::testing::SqliteStores stores_;
  TestClock clock_;
  RunFeed feed_{[](std::string_view) { return std::string("0"); }, &clock_, {}};
  RunPoller poller_{stores_.tracking(), nullptr, &feed_,
                    {.interval = absl::ZeroDuration(),
                     .runs_per_second = 1'000'000,
                     .runs = 3}};
};

TEST_F(RunPollerTest, ChangesOfOthersReachWhoWatchesARun) {
  auto watcher = Watch(one_);
  EXPECT_THAT(Polled(*watcher), ElementsAre(Pair("one", kRunAll)))
      << "it may have changed before";
  EXPECT_THAT(Polled(*watcher), IsEmpty());
  SetTag("one", "1");
  SetTag("two", "1");
  EXPECT_THAT(Polled(*watcher), ElementsAre(Pair("one", kRunTags)));
  EXPECT_THAT(Polled(*watcher), IsEmpty());
  ASSERT_TRUE(stores_.tracking()->LogParam("one", "p", "1").ok());
  ASSERT_TRUE(stores_.tracking()->DeleteRun("one", 1).ok());
  EXPECT_THAT(Polled(*watcher),
              ElementsAre(Pair("one", kRunInfo | kRunParams)));
}

TEST_F(RunPollerTest, ChangesOfOthersReachWhoWatchesAnExperiment) {
  auto watcher = Watch(experiment_);
  EXPECT_EQ(Polled(*watcher).size(), 2u);
  SetTag("two", "1");
  EXPECT_THAT(Polled(*watcher), ElementsAre(Pair("two", kRunTags)));
  v1::RunInfo info;
  info.set_run_id("three");
  info.set_experiment_id("0");
  info.set_status(v1::RUNNING);
  v1::Run run;
  ASSERT_TRUE(stores_.tracking()->CreateRun(info, {}, &run).ok());
  EXPECT_THAT(Polled(*watcher), ElementsAre(Pair("three", kRunAll)));
  google::protobuf::RepeatedPtrField<v1::ModelInput> models;
  models.Add()->set_model_id("m-1");
  ASSERT_TRUE(stores_.tracking()->LogInputs("one", {}, models).ok());
  EXPECT_THAT(Polled(*watcher), ElementsAre(Pair("one", kRunInputs)));
}

TEST_F(RunPollerTest, RunsThatAreComparedAreBounded) {
  EXPECT_EQ(RunPoller::Limits().runs, limits::kFeedTopicRunsMax);
  EXPECT_EQ(RunPoller::Limits().runs_per_second,
            limits::kFeedPollRunsPerSecond);
  EXPECT_EQ(RunPoller::Limits().interval,
            absl::Milliseconds(limits::kFeedPollMs));
  EXPECT_EQ(RunPoller::Limits().slice_runs, limits::kFeedPollSliceRuns);
  EXPECT_EQ(RunPoller::Limits().series, limits::kFeedPollSeriesMax);
  EXPECT_EQ(RunPoller::Limits().clocks,
            absl::Milliseconds(limits::kFeedPollClocksMs));
  for (int i = 0; i < 5; ++i) {
    v1::RunInfo info;
    info.set_run_id("more" + std::to_string(i));
    info.set_experiment_id("0");
    info.set_status(v1::RUNNING);
    v1::Run run;
    ASSERT_TRUE(stores_.tracking()->CreateRun(info, {}, &run).ok());
  }
  EXPECT_EQ(Polled(*Watch(experiment_)).size(), 3u);
}

// It knows what they were before anybody reads them.
TEST_F(RunPollerTest, WhoBeginsIsToldOfChangesAlone) {
  auto watcher = Watch(experiment_);
  ASSERT_TRUE(poller_.Begin(experiment_).ok());
  EXPECT_THAT(Polled(*watcher), IsEmpty());
  SetTag("one", "1");
  auto later = Watch(experiment_);
  ASSERT_TRUE(poller_.Begin(experiment_).ok());
  EXPECT_THAT(Polled(*watcher), ElementsAre(Pair("one", kRunTags)));
  poller_.Stop();
  EXPECT_EQ(poller_.Begin(one_).code(), absl::StatusCode::kCancelled);
}

// A large experiment does not keep those waiting who watch a few runs.
TEST_F(RunPollerTest, SubjectsTakeTurns) {
  RunPoller poller(stores_.tracking(), nullptr, &feed_,
                   {.interval = absl::ZeroDuration(), .slice_runs = 1});
  auto all = Watch(experiment_);
  auto one = Watch(one_);
  ASSERT_TRUE(poller.Begin(experiment_).ok());
  ASSERT_TRUE(poller.Begin(one_).ok());
  size_t changed = 0;
  for (const char* value : {"1", "2", "3", "4"}) {
    SetTag("one", value);
    SetTag("two", value);
    ASSERT_TRUE(poller.Poll().ok());
    std::vector<std::pair<std::string, uint8_t>> runs;
    bool is_all = false;
    one->ReadChanges(100, &runs, &is_all);
    EXPECT_THAT(runs, ElementsAre(Pair("one", kRunTags)));
    runs.clear();
    all->ReadChanges(100, &runs, &is_all);
    for (const auto& run : runs) changed += run.first == "two";
  }
  EXPECT_GE(changed, 1u);
  EXPECT_LT(changed, 4u) << "its runs are not all looked at each time";
}

TEST_F(RunPollerTest, WhatNobodyWatchesIsForgotten) {
  Polled(*Watch(one_));
  // Who watched may come back for a while.
  EXPECT_THAT(feed_.Watched(), SizeIs(1));
  ASSERT_TRUE(poller_.Poll().ok());
  EXPECT_THAT(Polled(*Watch(one_)), IsEmpty());
  clock_.now_ms += limits::kFeedIdleMsMax + 1;
  EXPECT_THAT(feed_.Watched(), IsEmpty());
  ASSERT_TRUE(poller_.Poll().ok());
  EXPECT_THAT(Polled(*Watch(one_)), ElementsAre(Pair("one", kRunAll)));
  // Of a run that is gone nobody is told, and it stops nothing.
  auto gone = Watch({.id = "gone"});
  auto watcher = Watch(one_);
  SetTag("one", "2");
  EXPECT_THAT(Polled(*watcher), ElementsAre(Pair("one", kRunTags)));
}

TEST_F(RunPollerTest, ItPollsByItself) {
  absl::Notification woken;
  RunPoller poller(stores_.tracking(), nullptr, &feed_,
                   {.interval = absl::Milliseconds(1)});
  poller.Start();
  auto watcher = Watch(one_, [&] {
    if (!woken.HasBeenNotified()) woken.Notify();
  });
  EXPECT_TRUE(woken.WaitForNotificationWithTimeout(absl::Seconds(60)));
}

}  // namespace
}  // namespace millstream::server
