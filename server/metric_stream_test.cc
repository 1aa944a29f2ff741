// The life of metric streams, with a caller and a log that the test holds in
// its hands. Over a connection: tests/api/test_streams.py.
#include "server/metric_stream.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millstream/v1/streams.pb.h"

namespace millstream::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";
constexpr char kOtherRun[] = "fedcba9876543210fedcba9876543210";
constexpr absl::Duration kPatience = absl::Seconds(60);

// Keeps numbers of frames, when the gate is open. Thread-safe.
class GatedLog final : public storage::RunLog {
 public:
  absl::Status Log(const storage::RunLogBatch& batch) override {
    absl::MutexLock lock(&mutex_);
    ++waiting_;
    mutex_.Await(absl::Condition(&open_));
    --waiting_;
    if (!failure_.ok()) return failure_;
    last_[Name(batch.run_id, batch.frame.writer_id)] = batch.frame.number;
    commits_.push_back(batch.frame.number);
    for (const auto& series : batch.metrics) points_ += series.points.size();
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> LastFrame(std::string_view run_id,
                                     std::string_view writer_id) override {
    absl::MutexLock lock(&mutex_);
    if (run_id == "missing") return DoesNotExist("no run");
    return last_[Name(run_id, writer_id)];
  }

  void Close() {
    absl::MutexLock lock(&mutex_);
    open_ = false;
  }
  void Open() {
    absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  void Fail(absl::Status failure) {
    absl::MutexLock lock(&mutex_);
    failure_ = std::move(failure);
  }
  // Waits for commits that stand before the gate.
  void AwaitWaiting(int count) {
    absl::MutexLock lock(&mutex_);
    auto there = [&] {
      mutex_.AssertHeld();
      return waiting_ == count;
    };
    ASSERT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience));
  }
  // The last frame of each commit.
  std::vector<uint64_t> commits() {
    absl::MutexLock lock(&mutex_);
    return commits_;
  }
  size_t points() {
    absl::MutexLock lock(&mutex_);
    return points_;
  }

 private:
  static std::pair<std::string, std::string> Name(std::string_view run,
                                                  std::string_view writer) {
    return {std::string(run), std::string(writer)};
  }
  absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = true;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, uint64_t> last_
      ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> commits_ ABSL_GUARDED_BY(mutex_);
  size_t points_ ABSL_GUARDED_BY(mutex_) = 0;
};

class SentMessage final : public StreamMessage {
 public:
  SentMessage(std::string bytes, size_t size)
      : bytes_(std::move(bytes)), size_(size) {}
  size_t size() const override { return size_; }
  bool Parse(google::protobuf::Message* message) override {
    return message->ParseFromString(bytes_);
  }

 private:
  const std::string bytes_;
  const size_t size_;
};

// A caller that sends what it has when it is asked.
class TestCaller final : public StreamCaller {
 public:
  explicit TestCaller(MetricStreams* streams) {
    auto body = streams->Open(context_);
    opened = body.status();
    if (!body.ok()) return;
    body_ = *std::move(body);
    body_->Start(this);
  }
  ~TestCaller() override {
    if (body_ == nullptr || HasEnded()) return;
    body_->OnGone();
    AwaitEnd().IgnoreError();
  }

  CallContext& context() override { return context_; }
  void Read() override {
    absl::MutexLock lock(&mutex_);
    EXPECT_FALSE(asked_);
    asked_ = true;
  }
  void Write(const google::protobuf::Message& message) override {
    absl::MutexLock lock(&mutex_);
    EXPECT_FALSE(writing_);
    writing_ = true;
    answers_.push_back(
        static_cast<const v1::LogMetricsResponse&>(message).durable_frame());
  }
  void End(const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    EXPECT_FALSE(end_.has_value());
    end_ = status;
  }

  // Sends one message, which holds `size` bytes. REQUIRES: it is asked.
  void Send(const v1::LogMetricsRequest& request, size_t size = 100) {
    SendBytes(request.SerializeAsString(), size);
  }
  void SendBytes(std::string bytes, size_t size = 100) {
    ASSERT_TRUE(TakeAsked());
    body_->OnMessage(std::make_unique<SentMessage>(std::move(bytes), size));
  }
  void SendOpen(const std::string& run = kRun,
                const std::string& writer = "w") {
    v1::LogMetricsRequest request;
    request.mutable_open()->set_run_id(run);
    request.mutable_open()->set_writer_id(writer);
    Send(request);
  }
  void SendFrame(uint64_t number, size_t size = 100) {
    v1::LogMetricsRequest request;
    v1::MetricFrame* frame = request.mutable_frame();
    frame->set_number(number);
    if (number == 1) frame->add_new_keys("loss");
    if (number > 0) {
      v1::MetricColumn* column = frame->add_columns();
      column->add_step_deltas(number);
      column->add_timestamp_deltas(number);
      column->add_values(0.5);
    }
    Send(request, size);
  }
  // The last message was sent.
  void HalfClose() {
    ASSERT_TRUE(TakeAsked());
    body_->OnNoMoreMessages();
  }
  void Go() { body_->OnGone(); }

  bool IsAsked() {
    absl::MutexLock lock(&mutex_);
    return asked_;
  }
  bool HasEnded() {
    absl::MutexLock lock(&mutex_);
    return end_.has_value();
  }
  void AwaitAsked() {
    absl::MutexLock lock(&mutex_);
    ASSERT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&asked_), kPatience));
  }
  // Waits for the next answer, and takes it.
  uint64_t Answer() {
    uint64_t answer = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (!mutex_.AwaitWithTimeout(absl::Condition(&writing_), kPatience)) {
        ADD_FAILURE() << "no answer";
        return 0;
      }
      writing_ = false;
      answer = answers_.back();
    }
    body_->OnWritten();
    return answer;
  }
  // Takes answers until one is at least `number`.
  uint64_t AnswerOf(uint64_t number) {
    uint64_t answer = 0;
    while (answer < number && !testing::Test::HasFailure()) answer = Answer();
    return answer;
  }
  // How the call ended; takes answers until then.
  absl::Status AwaitEnd() {
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        auto event = [this] {
          mutex_.AssertHeld();
          return end_.has_value() || writing_;
        };
        if (!mutex_.AwaitWithTimeout(absl::Condition(&event), kPatience)) {
          ADD_FAILURE() << "no end";
          return absl::OkStatus();
        }
        if (end_.has_value()) return *end_;
      }
      Answer();
    }
  }
  std::vector<uint64_t> answers() {
    absl::MutexLock lock(&mutex_);
    return answers_;
  }

  absl::Status opened;

 private:
  bool TakeAsked() {
    AwaitAsked();
    absl::MutexLock lock(&mutex_);
    return std::exchange(asked_, false);
  }

  CallContext context_{Door::kGrpc};
  std::shared_ptr<StreamBody> body_;
  absl::Mutex mutex_;
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<uint64_t> answers_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

class MetricStreamTest : public testing::Test {
 protected:
  MetricStreamTest() { Make({}); }
  void Make(const MetricStreams::Limits& limits) {
    streams_ = std::make_unique<MetricStreams>(&log_, &budget_, limits);
  }
  ~MetricStreamTest() override {
    log_.Open();
    EXPECT_EQ(streams_->open(), 0u);
    EXPECT_EQ(budget_.used(), 0u);
  }

  GatedLog log_;
  IngestBudget budget_{10'000, 1000};
  std::unique_ptr<MetricStreams> streams_;
};

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

// --- Bounds. The tests have lower ones, which they cross.

TEST_F(MetricStreamTest, TheServersBoundsAreTheNamedLimits) {
  const MetricStreams::Limits limits;
  EXPECT_EQ(limits.streams, limits::kMetricStreamsMax);
  EXPECT_EQ(limits.streams_per_run, limits::kMetricStreamsPerRunMax);
  EXPECT_EQ(limits.key_bytes, limits::kMetricStreamKeyBytesMax);
  EXPECT_EQ(limits.stream_bytes, limits::kMetricStreamBytesMax);
  EXPECT_EQ(limits.commit_bytes, limits::kMetricCommitBytesMax);
  EXPECT_EQ(limits.commits_bytes, limits::kMetricCommitsBytesMax);
  EXPECT_EQ(limits.threads, limits::kMetricStreamThreadsMax);
}

TEST_F(MetricStreamTest, AFullStreamIsNotRead) {
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

TEST_F(MetricStreamTest, CommitsTogetherAreBounded) {
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

TEST_F(MetricStreamTest, WhenAllStreamsTogetherAreFullNoneIsRead) {
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

TEST_F(MetricStreamTest, AStreamThatWaitsForTheBudgetCanEnd) {
  budget_.Take(5000);
  TestCaller caller(streams_.get());
  EXPECT_FALSE(caller.IsAsked());
  caller.Go();
  EXPECT_EQ(GetErrorCode(caller.AwaitEnd()), v1::CANCELLED);
  budget_.Give(5000);
}

TEST_F(MetricStreamTest, StreamsAreCounted) {
  Make({.streams = 2});
  TestCaller one(streams_.get());
  {
    TestCaller two(streams_.get());
    TestCaller three(streams_.get());
    EXPECT_EQ(GetErrorCode(three.opened), v1::RESOURCE_EXHAUSTED);
  }
  TestCaller three(streams_.get());
  EXPECT_TRUE(three.opened.ok());
}

TEST_F(MetricStreamTest, StreamsOfARunAreCounted) {
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

TEST_F(MetricStreamTest, DictionariesAreCounted) {
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

TEST_F(MetricStreamTest, IdleStreamsHoldNoThread) {
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
