// The life of metric streams. Over a connection: tests/api/test_streams.py.
#include "server/metric_stream.h"

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/metric_stream_testing.h"

namespace millstream::server {
namespace {

using testing::ElementsAre;

TEST_F(MetricStreamTest, FramesAreAcknowledgedOnceTheyAreKept) {
  TestCaller caller(streams_.get());
  caller.SendOpen();
  EXPECT_EQ(caller.Answer(), 0u);
  log_.Close();
  caller.SendFrame(1);
  log_.AwaitWaiting(1);
  EXPECT_THAT(caller.answers(), ElementsAre(0));
  log_.Open();
  EXPECT_EQ(caller.Answer(), 1u);
  caller.SendFrame(2);
  EXPECT_EQ(caller.Answer(), 2u);
  caller.HalfClose();
  EXPECT_TRUE(caller.AwaitEnd().ok());
  EXPECT_EQ(log_.points(), 2u);
}

TEST_F(MetricStreamTest, WhatWaitsIsOneCommit) {
  TestCaller caller(streams_.get());
  caller.SendOpen();
  caller.Answer();
  log_.Close();
  caller.SendFrame(1);
  log_.AwaitWaiting(1);
  for (int number : {2, 3, 4}) caller.SendFrame(number);
  log_.Open();
  EXPECT_EQ(caller.AnswerOf(4), 4u);
  EXPECT_THAT(log_.commits(), ElementsAre(1, 4));
  EXPECT_EQ(log_.points(), 4u);
}

TEST_F(MetricStreamTest, ACommitIsBounded) {
  Make({.commit_bytes = 200});
  TestCaller caller(streams_.get());
  caller.SendOpen();
  caller.Answer();
  log_.Close();
  caller.SendFrame(1);
  log_.AwaitWaiting(1);
  for (int number : {2, 3, 4, 5}) caller.SendFrame(number);
  log_.Open();
  EXPECT_EQ(caller.AnswerOf(5), 5u);
  EXPECT_THAT(log_.commits(), ElementsAre(1, 3, 5));
}

TEST_F(MetricStreamTest, AtTheEndEverythingIsAcknowledged) {
  TestCaller caller(streams_.get());
  log_.Close();
  caller.SendOpen();
  for (int number : {1, 2, 3}) caller.SendFrame(number);
  caller.HalfClose();
  EXPECT_EQ(caller.Answer(), 0u);
  log_.Open();
  EXPECT_EQ(caller.AnswerOf(3), 3u);
  EXPECT_TRUE(caller.AwaitEnd().ok());
}

TEST_F(MetricStreamTest, AWriterGoesOnWhereItWas) {
  {
    TestCaller caller(streams_.get());
    caller.SendOpen();
    for (int number : {1, 2, 3}) caller.SendFrame(number);
    EXPECT_EQ(caller.AnswerOf(3), 3u);
  }
  TestCaller caller(streams_.get());
  caller.SendOpen();
  EXPECT_EQ(caller.Answer(), 3u);
  for (int number : {1, 2, 3, 4}) caller.SendFrame(number);
  EXPECT_EQ(caller.AnswerOf(4), 4u);
  EXPECT_EQ(log_.points(), 4u) << "frames that are kept are passed over";
  TestCaller other(streams_.get());
  other.SendOpen(kRun, "another");
  EXPECT_EQ(other.Answer(), 0u);
}

TEST_F(MetricStreamTest, ARefusedFrameKeepsWhatCameBefore) {
  TestCaller caller(streams_.get());
  log_.Close();
  caller.SendOpen();
  for (int number : {1, 2, 4, 5}) caller.SendFrame(number);
  log_.Open();
  const absl::Status end = caller.AwaitEnd();
  EXPECT_EQ(GetErrorCode(end), v1::INVALID_PARAMETER_VALUE);
  EXPECT_NE(std::string(end.message()).find("the next is 3"), std::string::npos)
      << end;
  EXPECT_EQ(caller.answers().back(), 2u);
  EXPECT_EQ(log_.points(), 2u);
}

TEST_F(MetricStreamTest, AFrameThatIsTooLargeKeepsWhatCameBefore) {
  TestCaller caller(streams_.get());
  caller.SendOpen();
  caller.SendFrame(1, limits::kGrpcStreamMessageBytesMax);
  caller.SendFrame(2, limits::kGrpcStreamMessageBytesMax + 1);
  EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(caller.answers().back(), 1u);
  EXPECT_EQ(log_.points(), 1u);
}

TEST_F(MetricStreamTest, TheFirstMessageOpens) {
  {
    TestCaller caller(streams_.get());
    caller.SendFrame(1);
    EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::INVALID_PARAMETER_VALUE);
  }
  {
    TestCaller caller(streams_.get());
    caller.SendOpen();
    caller.SendOpen();
    EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::INVALID_PARAMETER_VALUE);
  }
  {
    TestCaller caller(streams_.get());
    caller.SendOpen();
    caller.Send({});
    EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::INVALID_PARAMETER_VALUE);
  }
  TestCaller caller(streams_.get());
  caller.HalfClose();
  EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::INVALID_PARAMETER_VALUE);
}

TEST_F(MetricStreamTest, JunkIsRefused) {
  TestCaller caller(streams_.get());
  caller.SendOpen();
  caller.SendFrame(1);
  caller.SendBytes("\xff\xff");
  EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::BAD_REQUEST);
  EXPECT_EQ(caller.answers().back(), 1u);
}

TEST_F(MetricStreamTest, NamesAreChecked) {
  struct {
    std::string run, writer;
    v1::ErrorCode code;
  } const cases[] = {
      {"", "w", v1::INVALID_PARAMETER_VALUE},
      {"no/run", "w", v1::INVALID_PARAMETER_VALUE},
      {kRun, "", v1::INVALID_PARAMETER_VALUE},
      {kRun, std::string(limits::kWriterIdBytesMax + 1, 'w'),
       v1::INVALID_PARAMETER_VALUE},
      {"missing", "w", v1::RESOURCE_DOES_NOT_EXIST},
  };
  for (const auto& c : cases) {
    TestCaller caller(streams_.get());
    caller.SendOpen(c.run, c.writer);
    EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), c.code) << c.run << c.writer;
  }
  TestCaller caller(streams_.get());
  caller.SendOpen(kRun, std::string(limits::kWriterIdBytesMax, 'w'));
  EXPECT_EQ(caller.Answer(), 0u);
}

TEST_F(MetricStreamTest, ASecondStreamOfAWriterEndsTheFirst) {
  TestCaller first(streams_.get());
  first.SendOpen();
  first.Answer();
  log_.Close();
  first.SendFrame(1);
  log_.AwaitWaiting(1);
  first.SendFrame(2);
  TestCaller second(streams_.get());
  second.SendOpen();
  log_.Open();
  // Not before the commit under way is done.
  EXPECT_EQ(second.Answer(), 1u);
  EXPECT_EQ(GetErrorCode(first.AwaitEnd()), v1::ABORTED);
  second.SendFrame(1);
  second.SendFrame(2);
  EXPECT_EQ(second.AnswerOf(2), 2u);
  EXPECT_EQ(log_.points(), 2u);
}

TEST_F(MetricStreamTest, ARunThatIsNotThereEndsNobodysStream) {
  TestCaller first(streams_.get());
  first.SendOpen();
  first.Answer();
  TestCaller second(streams_.get());
  second.SendOpen(kOtherRun);
  EXPECT_EQ(second.Answer(), 0u);
  TestCaller third(streams_.get());
  third.SendOpen("missing");
  EXPECT_FALSE(third.AwaitEnd().ok());
  first.SendFrame(1);
  EXPECT_EQ(first.Answer(), 1u);
}

TEST_F(MetricStreamTest, AFailedCommitEndsTheStream) {
  TestCaller caller(streams_.get());
  caller.SendOpen();
  caller.Answer();
  log_.Fail(absl::UnavailableError("the disk"));
  caller.SendFrame(1);
  EXPECT_EQ(caller.AwaitEnd().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(caller.answers(), ElementsAre(0));
}

TEST_F(MetricStreamTest, ACallerThatGoesIsWaitedForNoLongerThanItsCommit) {
  TestCaller caller(streams_.get());
  caller.SendOpen();
  caller.Answer();
  log_.Close();
  caller.SendFrame(1);
  log_.AwaitWaiting(1);
  caller.SendFrame(2);
  caller.Go();
  EXPECT_FALSE(caller.HasEnded());
  log_.Open();
  EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::CANCELLED);
  EXPECT_THAT(log_.commits(), ElementsAre(1));
}

TEST_F(MetricStreamTest, AtAStopWhatWasTakenIsAcknowledged) {
  TestCaller busy(streams_.get());
  busy.SendOpen();
  busy.Answer();
  TestCaller idle(streams_.get());
  idle.SendOpen(kOtherRun);
  idle.Answer();
  log_.Close();
  busy.SendFrame(1);
  log_.AwaitWaiting(1);
  busy.SendFrame(2);
  streams_->Stop();
  EXPECT_EQ(GetErrorCode(idle.AwaitEnd()), v1::TEMPORARILY_UNAVAILABLE);
  EXPECT_FALSE(busy.HasEnded());
  log_.Open();
  EXPECT_EQ(GetErrorCode(busy.AwaitEnd()), v1::TEMPORARILY_UNAVAILABLE);
  EXPECT_EQ(busy.answers().back(), 2u);
  TestCaller late(streams_.get());
  EXPECT_EQ(GetErrorCode(late.opened), v1::TEMPORARILY_UNAVAILABLE);
}

}  // namespace
}  // namespace millstream::server
