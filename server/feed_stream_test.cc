// WatchRuns, and how such a stream lives and ends. Over a connection:
// tests/api/test_watching.py.
#include "server/feed_stream.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "server/feed_stream_testing.h"
#include "server/feed_subject.h"

namespace millstream::server {
namespace {

TEST_F(FeedStreamTest, WhoTakesNothingIsBrokenOff) {
  const absl::Time later =
      absl::Now() + absl::Milliseconds(limits::kStreamAnswerMsMax) +
      absl::Seconds(10);
  auto idle = NewTail(OfRun());
  idle->UntilLive();
  auto tail = NewTail(OfRun());
  tail->AwaitAnswer();
  streams_.CheckPatience(absl::Now() + absl::Seconds(10));
  EXPECT_FALSE(tail->IsBrokenOff());
  streams_.CheckPatience(later);
  EXPECT_TRUE(tail->IsBrokenOff());
  EXPECT_FALSE(idle->IsBrokenOff()) << "there was nothing to take";
  streams_.CheckPatience(later);
  tail->Break();
  EXPECT_EQ(GetErrorCode(tail->AwaitEnd()), v1::RESOURCE_EXHAUSTED);
  EXPECT_EQ(streams_.open(), 1u);
  Log(run_, "m", 1);
  EXPECT_EQ(StepsOf({idle->Next()}), (Steps{{"run1/m", {1}}}));
}

TEST_F(FeedStreamTest, WhoSendsNoRequestIsNotWaitedFor) {
  Tail tail(&streams_, MakeTailSource(parts_));
  streams_.CheckPatience(absl::Now() + absl::Seconds(10));
  EXPECT_EQ(streams_.open(), 1u);
  streams_.CheckPatience(
      absl::Now() + absl::Milliseconds(limits::kStreamFirstMessageMsMax));
  EXPECT_EQ(GetErrorCode(tail.AwaitEnd()), v1::DEADLINE_EXCEEDED);
  EXPECT_EQ(streams_.open(), 0u);
}

// The experiments of runs cannot be looked up for a while.
TEST_F(FeedStreamTest, NothingIsMissedThatIsOfAnUnknownExperiment) {
  const std::string other =
      *stores_.tracking()->CreateExperiment([] {
        v1::Experiment experiment;
        experiment.set_name("other");
        return experiment;
      }());
  v1::TailMetricsRequest tail_request;
  v1::WatchRunsRequest watch_request;
  tail_request.set_from_now(true);
  watch_request.set_from_now(true);
  std::unique_ptr<Tail> tails[2];
  std::unique_ptr<Watch> watches[2];
  for (int i : {0, 1}) {
    tail_request.set_experiment_id(i == 0 ? "0" : other);
    watch_request.set_experiment_id(i == 0 ? "0" : other);
    tails[i] = std::make_unique<Tail>(
        &more_streams_, MakeTailSource(parts_), tail_request);
    watches[i] = std::make_unique<Watch>(
        &more_streams_, MakeWatchSource(parts_), watch_request);
    tails[i]->UntilLive();
    watches[i]->UntilLive();
  }
  lookup_ = absl::UnavailableError("the database");
  Log(run_, "m", 1);
  lookup_ = absl::OkStatus();
  Log(run_, "m", 2);
  Steps steps;
  while (steps["run1/m"].size() < 2 && !HasFailure()) {
    AddSteps(tails[0]->Next(), &steps);
  }
  EXPECT_EQ(watches[0]->Next().changes(0).run().info().run_id(), run_);
  EXPECT_FALSE(tails[1]->HasAnswer());
  EXPECT_FALSE(watches[1]->HasAnswer());
}

TEST_F(FeedStreamTest, AWatcherSeesTheRunThenItsChanges) {
  SetTag("colour", "red");
  auto watch = NewWatch(WatchOfRun());
  const auto first = watch->Next();
  ASSERT_EQ(first.changes_size(), 1);
  EXPECT_EQ(first.changes(0).run().info().run_id(), run_);
  EXPECT_TRUE(first.changes(0).params() && first.changes(0).tags() &&
              first.changes(0).metrics());
  EXPECT_EQ(first.changes(0).run().data().tags_size(), 1);
  EXPECT_TRUE(first.live());
  ASSERT_TRUE(stores_.tracking()->LogParam(run_, "p", "1").ok());
  feed_.RunChanged(run_, kRunParams);
  const auto change = watch->Next();
  ASSERT_EQ(change.changes_size(), 1);
  EXPECT_EQ(change.changes(0).run().data().params(0).value(), "1");
  EXPECT_EQ(change.changes(0).run().data().tags_size(), 0);
  EXPECT_FALSE(change.changes(0).tags());
  ASSERT_TRUE(stores_.tracking()->DeleteRunTag(run_, "colour").ok());
  feed_.RunChanged(run_, kRunTags);
  const auto removed = watch->Next();
  EXPECT_TRUE(removed.changes(0).tags());
  EXPECT_EQ(removed.changes(0).run().data().tags_size(), 0);
  ASSERT_TRUE(stores_.tracking()->DeleteRun(run_, 1).ok());
  feed_.RunChanged(run_, kRunInfo);
  EXPECT_EQ(watch->Next().changes(0).run().info().lifecycle_stage(), "deleted");
}

TEST_F(FeedStreamTest, InputsAndOutputsAreSentWhenTheyChange) {
  google::protobuf::RepeatedPtrField<v1::DatasetInput> datasets;
  v1::Dataset* dataset = datasets.Add()->mutable_dataset();
  dataset->set_name("d");
  dataset->set_digest("1");
  dataset->set_source_type("local");
  dataset->set_source("s");
  google::protobuf::RepeatedPtrField<v1::ModelInput> models;
  models.Add()->set_model_id("m-1");
  ASSERT_TRUE(stores_.tracking()->LogInputs(run_, datasets, models).ok());
  v1::WatchRunsRequest of_experiment;
  of_experiment.set_experiment_id("0");
  for (const auto& request : {WatchOfRun(), of_experiment}) {
    auto watch = NewWatch(request);
    const auto first = watch->Next().changes(0);
    EXPECT_TRUE(first.inputs());
    EXPECT_EQ(first.run().inputs().dataset_inputs_size(), 1);
    EXPECT_EQ(first.run().inputs().model_inputs_size(), 1);
    SetTag("k", "v");
    const auto tag = watch->Next().changes(0);
    EXPECT_FALSE(tag.inputs());
    EXPECT_FALSE(tag.run().has_inputs());
    feed_.RunChanged(run_, kRunInputs);
    const auto inputs = watch->Next().changes(0);
    EXPECT_TRUE(inputs.inputs());
    EXPECT_FALSE(inputs.tags());
    EXPECT_EQ(inputs.run().inputs().dataset_inputs_size(), 1);
    EXPECT_EQ(inputs.run().data().tags_size(), 0);
  }
}

TEST_F(FeedStreamTest, AWatcherOfAnExperimentSeesEveryRun) {
  std::set<std::string> expected = {run_};
  for (int i = 0; i < 30; ++i) expected.insert(NewRun());
  v1::WatchRunsRequest request;
  request.set_experiment_id("0");
  auto watch = NewWatch(request);
  std::set<std::string> seen;
  std::string position;
  for (const auto& answer : watch->UntilLive()) {
    for (const auto& change : answer.changes()) {
      seen.insert(change.run().info().run_id());
    }
    position = answer.position();
  }
  EXPECT_EQ(seen, expected);
  watch.reset();
  SetTag("k", "v");
  request.set_position(position);
  watch = NewWatch(request);
  const auto resumed = watch->Next();
  ASSERT_EQ(resumed.changes_size(), 1);
  EXPECT_EQ(resumed.changes(0).run().info().run_id(), run_);
  ASSERT_TRUE(stores_.tracking()->DeleteExperiment("0", 1).ok());
  feed_.ExperimentChanged("0");
  seen.clear();
  while (seen.size() < expected.size()) {
    const auto answer = watch->Next();
    EXPECT_FALSE(answer.live()) << "that was said";
    for (const auto& change : answer.changes()) {
      EXPECT_EQ(change.run().info().lifecycle_stage(), "deleted");
      seen.insert(change.run().info().run_id());
    }
  }
  EXPECT_EQ(seen, expected);
}

TEST_F(FeedStreamTest, ManyChangesWhileNobodyReadsAreOne) {
  auto request = WatchOfRun();
  request.set_from_now(true);
  auto watch = NewWatch(request);
  EXPECT_EQ(watch->Next().changes_size(), 0);
  SetTag("k", "first");
  // The first is on its way and not taken.
  watch->AwaitAnswer();
  for (int i = 0; i < 50; ++i) SetTag("k", std::to_string(i));
  watch->Next();
  const auto answer = watch->Next();
  ASSERT_EQ(answer.changes_size(), 1);
  EXPECT_EQ(answer.changes(0).run().data().tags(0).value(), "49");
}

TEST_F(FeedStreamTest, AnswersHoldAFewRuns) {
  const std::string large(limits::kTagValueLengthMax, 'x');
  std::vector<std::string> runs = {run_};
  for (int i = 0; i < 40; ++i) runs.push_back(NewRun());
  for (const auto& run : runs) {
    ASSERT_TRUE(stores_.tracking()->SetRunTag(run, "k", large).ok());
  }
  v1::WatchRunsRequest request;
  request.set_experiment_id("0");
  for (const auto& answer : NewWatch(request)->UntilLive()) {
    EXPECT_LT(answer.ByteSizeLong(), limits::kWatchAnswerBytes + 10'000);
  }
}

TEST_F(FeedStreamTest, FewRunsAreHeld) {
  const std::string large(limits::kTagValueLengthMax, 'x');
  for (int i = 0; i < 99; ++i) {
    const std::string run = NewRun();
    for (const char* key : {"a", "b"}) {
      ASSERT_TRUE(stores_.tracking()->SetRunTag(run, key, large).ok());
    }
  }
  for (bool with_data : {true, false}) {
    StoredRuns runs(stores_.tracking(), {.experiment = true, .id = "0"},
                    with_data);
    v1::Run run;
    std::set<std::string> seen;
    while (*runs.Next(&run)) {
      EXPECT_EQ(run.has_data(), with_data);
      seen.insert(run.info().run_id());
      if (with_data) {
        EXPECT_LT(runs.held() * 2 * large.size(), limits::kWatchPageBytes);
      }
    }
    EXPECT_EQ(seen.size(), 100u);
  }
}

TEST_F(FeedStreamTest, RequestsAreChecked) {
  auto expect_tail = [&](const v1::TailMetricsRequest& request,
                         v1::ErrorCode code) {
    EXPECT_EQ(GetErrorCode(NewTail(request)->AwaitEnd()), code);
  };
  expect_tail({}, v1::INVALID_PARAMETER_VALUE);
  auto both = OfRun();
  both.set_experiment_id("0");
  expect_tail(both, v1::INVALID_PARAMETER_VALUE);
  auto position = OfRun();
  position.set_position("here");
  expect_tail(position, v1::INVALID_PARAMETER_VALUE);
  auto keys = OfRun();
  for (int i = 0; i <= limits::kTailKeysMax; ++i) keys.add_keys("k");
  expect_tail(keys, v1::INVALID_PARAMETER_VALUE);
  v1::TailMetricsRequest unknown;
  unknown.set_run_id("nobody");
  expect_tail(unknown, v1::RESOURCE_DOES_NOT_EXIST);
  v1::WatchRunsRequest experiment;
  experiment.set_experiment_id("77");
  EXPECT_EQ(GetErrorCode(NewWatch(experiment)->AwaitEnd()),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_F(FeedStreamTest, StreamsAreCounted) {
  EXPECT_EQ(FeedStreams::Limits().streams.open, limits::kFeedStreamsMax);
  EXPECT_EQ(FeedStreams::Limits().streams.open_each,
            limits::kFeedStreamsEachMax);
  EXPECT_EQ(FeedStreams::Limits().threads, limits::kFeedThreadsMax);
  std::vector<std::unique_ptr<Tail>> tails;
  for (int i = 0; i < 3; ++i) tails.push_back(NewTail(OfRun()));
  EXPECT_EQ(GetErrorCode(NewTail(OfRun())->opened), v1::RESOURCE_EXHAUSTED);
  tails.clear();
  EXPECT_EQ(streams_.open(), 0u);
  EXPECT_TRUE(NewTail(OfRun())->opened.ok());
}

// Callers that send no request keep nobody out.
TEST_F(FeedStreamTest, StreamsWithoutARequestAreCountedApart) {
  std::vector<std::unique_ptr<Tail>> silent;
  for (int i = 0; i < 5; ++i) {
    silent.push_back(
        std::make_unique<Tail>(&streams_, MakeTailSource(parts_)));
  }
  for (int i = 0; i < 3; ++i) NewTail(OfRun())->UntilLive();
}

TEST_F(FeedStreamTest, AStopEndsTheStreams) {
  auto tail = NewTail(OfRun());
  tail->UntilLive();
  streams_.Stop();
  EXPECT_EQ(GetErrorCode(tail->AwaitEnd()), v1::TEMPORARILY_UNAVAILABLE);
  EXPECT_EQ(GetErrorCode(NewTail(OfRun())->opened),
            v1::TEMPORARILY_UNAVAILABLE);
}

}  // namespace
}  // namespace millstream::server
