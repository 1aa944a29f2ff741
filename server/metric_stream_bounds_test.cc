// What metric streams may take together, and how long they are waited for. The
// tests have lower bounds, which they cross.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "server/metric_stream_testing.h"

namespace millstream::server {
namespace {

using MetricStreamBoundsTest = MetricStreamTest;

TEST_F(MetricStreamBoundsTest, TheServersBoundsAreTheNamedLimits) {
  const MetricStreams::Limits limits;
  EXPECT_EQ(limits.streams.open, limits::kMetricStreamsMax);
  EXPECT_EQ(limits.streams.open_each, limits::kMetricStreamsEachMax);
  EXPECT_EQ(limits.streams_per_run, limits::kMetricStreamsPerRunMax);
  EXPECT_EQ(limits.key_bytes, limits::kMetricStreamKeyBytesMax);
  EXPECT_EQ(limits.stream_bytes, limits::kMetricStreamBytesMax);
  EXPECT_EQ(limits.commit_bytes, limits::kMetricCommitBytesMax);
  EXPECT_EQ(limits.commits_bytes, limits::kMetricCommitsBytesMax);
  EXPECT_EQ(limits.threads, limits::kMetricStreamThreadsMax);
  EXPECT_EQ(limits.silent,
            absl::Milliseconds(limits::kMetricStreamSilentMsMax));
  EXPECT_EQ(limits.patience.answer,
            absl::Milliseconds(limits::kStreamAnswerMsMax));
  EXPECT_EQ(limits.patience.first_message,
            absl::Milliseconds(limits::kStreamFirstMessageMsMax));
}

TEST_F(MetricStreamBoundsTest, AFullStreamIsNotRead) {
  Make({.stream_bytes = 300});
  TestCaller caller(streams_.get());
  caller.SendOpen();
  caller.Answer();
  log_.Close();
  caller.SendFrame(1);
  log_.AwaitWaiting(1);
  caller.SendFrame(2);
  caller.SendFrame(3);
  EXPECT_FALSE(caller.IsAsked());
  log_.Open();
  EXPECT_EQ(caller.AnswerOf(3), 3u);
  caller.AwaitAsked();
}

TEST_F(MetricStreamBoundsTest, CommitsTogetherAreBounded) {
  Make({.commits_bytes = 250});
  std::vector<std::unique_ptr<TestCaller>> callers;
  for (int i = 0; i < 3; ++i) {
    callers.push_back(std::make_unique<TestCaller>(streams_.get()));
    callers[i]->SendOpen(kRun, std::to_string(i));
    callers[i]->Answer();
  }
  log_.Close();
  callers[0]->SendFrame(1);
  callers[1]->SendFrame(1);
  log_.AwaitWaiting(2);
  callers[2]->SendFrame(1);
  log_.AwaitWaiting(2);
  log_.Open();
  for (auto& caller : callers) EXPECT_EQ(caller->Answer(), 1u);
}

TEST_F(MetricStreamBoundsTest, WhenAllStreamsTogetherAreFullNoneIsRead) {
  TestCaller one(streams_.get());
  one.SendOpen();
  one.Answer();
  TestCaller other(streams_.get());
  other.SendOpen(kOtherRun);
  other.Answer();
  log_.Close();
  one.SendFrame(1, 700);
  log_.AwaitWaiting(1);
  other.AwaitAsked();
  other.SendFrame(1, 400);  // it was asked before the budget was used up
  log_.AwaitWaiting(2);
  EXPECT_FALSE(other.IsAsked());
  one.AwaitAsked();
  one.SendFrame(2, 50);
  EXPECT_FALSE(one.IsAsked());
  EXPECT_TRUE(budget_.TryTake(5000)) << "single calls have room of their own";
  EXPECT_FALSE(budget_.TryTake(5000));
  budget_.Give(5000);
  log_.Open();
  EXPECT_EQ(one.AnswerOf(2), 2u);
  EXPECT_EQ(other.AnswerOf(1), 1u);
  one.AwaitAsked();
  other.AwaitAsked();
}

TEST_F(MetricStreamBoundsTest, AStreamThatWaitsForTheBudgetCanEnd) {
  budget_.Take(5000);
  TestCaller caller(streams_.get());
  EXPECT_FALSE(caller.IsAsked());
  caller.Go();
  EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::CANCELLED);
  budget_.Give(5000);
}

TEST_F(MetricStreamBoundsTest, StreamsAreCounted) {
  Make({.streams = {.open = 2, .open_each = 2}});
  TestCaller one(streams_.get());
  one.SendOpen(kRun, "1");
  {
    TestCaller two(streams_.get());
    TestCaller late(streams_.get());
    two.SendOpen(kRun, "2");
    TestCaller three(streams_.get());
    EXPECT_EQ(GetErrorCode(three.opened), v1::RESOURCE_EXHAUSTED);
    late.SendOpen(kRun, "3");
    EXPECT_EQ(GetErrorCode(late.AwaitEnd()), v1::RESOURCE_EXHAUSTED);
  }
  TestCaller three(streams_.get());
  three.SendOpen(kRun, "3");
  EXPECT_EQ(three.Answer(), 0u);
}

// Callers that open nothing keep no writer out.
TEST_F(MetricStreamBoundsTest, StreamsWithoutOpenAreCountedApart) {
  Make({.streams = {.open = 1, .open_each = 1, .unopened = 3,
                    .unopened_each = 3}});
  TestCaller silent(streams_.get()), also_silent(streams_.get());
  TestCaller writer(streams_.get());
  TestCaller refused(streams_.get());
  EXPECT_EQ(GetErrorCode(refused.opened), v1::RESOURCE_EXHAUSTED);
  writer.SendOpen();
  EXPECT_EQ(writer.Answer(), 0u);
}

TEST_F(MetricStreamBoundsTest, StreamsOfARunAreCounted) {
  Make({.streams_per_run = 1});
  TestCaller one(streams_.get());
  one.SendOpen(kRun, "1");
  one.Answer();
  {
    TestCaller two(streams_.get());
    two.SendOpen(kRun, "2");
    EXPECT_EQ(GetErrorCode(two.AwaitEnd()), v1::RESOURCE_EXHAUSTED);
    TestCaller elsewhere(streams_.get());
    elsewhere.SendOpen(kOtherRun, "2");
    EXPECT_EQ(elsewhere.Answer(), 0u);
    TestCaller again(streams_.get());
    again.SendOpen(kRun, "1");
    EXPECT_EQ(again.Answer(), 0u);
    EXPECT_EQ(GetErrorCode(one.AwaitEnd()), v1::ABORTED);
  }
  TestCaller two(streams_.get());
  two.SendOpen(kRun, "2");
  EXPECT_EQ(two.Answer(), 0u);
}

TEST_F(MetricStreamBoundsTest, DictionariesAreCounted) {
  Make({.key_bytes = 200});
  TestCaller one(streams_.get());
  one.SendOpen();
  one.SendFrame(1);
  EXPECT_EQ(one.AnswerOf(1), 1u);
  v1::LogMetricsRequest names;
  names.mutable_frame()->set_number(2);
  for (const char* name : {"a", "b", "c"}) {
    names.mutable_frame()->add_new_keys(name);
  }
  one.Send(names);
  EXPECT_EQ(GetErrorCode(one.AwaitEnd()), v1::RESOURCE_EXHAUSTED);
  TestCaller other(streams_.get());
  other.SendOpen(kOtherRun);
  other.SendFrame(1);
  EXPECT_EQ(other.AnswerOf(1), 1u);
}

// A few streams that name many metrics do not keep others from new ones.
TEST_F(MetricStreamBoundsTest, TheLargestDictionaryGivesWayToSmallerOnes) {
  Make({.key_bytes = 10'000});
  TestCaller small(streams_.get()), large(streams_.get()),
      newcomer(streams_.get());
  small.SendOpen(kRun, "small");
  small.SendNames(1, 10);
  EXPECT_EQ(small.AnswerOf(1), 1u);
  large.SendOpen(kRun, "large");
  large.SendNames(1, 70);
  EXPECT_EQ(large.AnswerOf(1), 1u);
  newcomer.SendOpen(kRun, "newcomer");
  newcomer.SendNames(1, 50);
  EXPECT_EQ(newcomer.AnswerOf(1), 1u);
  EXPECT_EQ(GetErrorCode(large.AwaitEnd()), v1::RESOURCE_EXHAUSTED);
  // Who would be the largest itself does not get in.
  TestCaller again(streams_.get());
  again.SendOpen(kRun, "large");
  again.SendNames(2, 70);
  EXPECT_EQ(GetErrorCode(again.AwaitEnd()), v1::RESOURCE_EXHAUSTED);
  small.SendFrame(2);
  EXPECT_EQ(small.AnswerOf(2), 2u);
  newcomer.SendFrame(2);
  EXPECT_EQ(newcomer.AnswerOf(2), 2u);
}

TEST_F(MetricStreamBoundsTest, ASilentStreamGivesWayFirst) {
  Make({.key_bytes = 9000, .silent = absl::ZeroDuration()});
  TestCaller silent(streams_.get());
  silent.SendOpen(kRun, "silent");
  silent.SendNames(1, 50);
  EXPECT_EQ(silent.AnswerOf(1), 1u);
  silent.AwaitAsked();
  TestCaller large(streams_.get());
  large.SendOpen(kRun, "large");
  large.SendNames(1, 70);
  EXPECT_EQ(large.AnswerOf(1), 1u);
  EXPECT_EQ(GetErrorCode(silent.AwaitEnd()), v1::RESOURCE_EXHAUSTED);
}

TEST_F(MetricStreamBoundsTest, WhoSendsNoOpenIsNotWaitedFor) {
  TestCaller open(streams_.get());
  open.SendOpen();
  open.Answer();
  TestCaller caller(streams_.get());
  caller.AwaitAsked();
  streams_->CheckPatience(absl::Now() + absl::Seconds(10));
  EXPECT_FALSE(caller.HasEnded());
  streams_->CheckPatience(
      absl::Now() + absl::Milliseconds(limits::kStreamFirstMessageMsMax));
  EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::DEADLINE_EXCEEDED);
  open.SendFrame(1);
  EXPECT_EQ(open.Answer(), 1u) << "it may be silent for as long as it likes";
}

TEST_F(MetricStreamBoundsTest, WhoTakesNoAnswerIsBrokenOff) {
  TestCaller caller(streams_.get());
  caller.SendOpen();
  caller.AwaitAnswer();
  streams_->CheckPatience(absl::Now() + absl::Seconds(10));
  EXPECT_FALSE(caller.IsBrokenOff());
  streams_->CheckPatience(absl::Now() +
                          absl::Milliseconds(limits::kStreamAnswerMsMax));
  caller.Break();
  EXPECT_FALSE(caller.HasEnded());
  EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::RESOURCE_EXHAUSTED);
}

TEST_F(MetricStreamBoundsTest, IdleStreamsHoldNoThread) {
  Make({.threads = 1});
  std::vector<std::unique_ptr<TestCaller>> callers;
  for (int i = 0; i < 1000; ++i) {
    callers.push_back(std::make_unique<TestCaller>(streams_.get()));
    callers.back()->SendOpen(kRun, std::to_string(i));
    EXPECT_EQ(callers.back()->Answer(), 0u);
  }
  for (auto& caller : callers) caller->SendFrame(1);
  for (auto& caller : callers) EXPECT_EQ(caller->Answer(), 1u);
}

}  // namespace
}  // namespace millstream::server
