// What tests of metric streams have in common: a caller and a log that the test
// holds in its hands.
#ifndef MILLSTREAM_SERVER_METRIC_STREAM_TESTING_H_
#define MILLSTREAM_SERVER_METRIC_STREAM_TESTING_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/error.h"
#include "gtest/gtest.h"
#include "millstream/v1/streams.pb.h"
#include "server/metric_stream.h"

namespace millstream::server {

inline constexpr char kRun[] = "0123456789abcdef0123456789abcdef";
inline constexpr char kOtherRun[] = "fedcba9876543210fedcba9876543210";
inline constexpr absl::Duration kPatience = absl::Seconds(60);

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
  void BreakOff() override {
    absl::MutexLock lock(&mutex_);
    broken_off_ = true;
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
  // A frame without points that names metrics.
  void SendNames(uint64_t number, int count) {
    v1::LogMetricsRequest request;
    request.mutable_frame()->set_number(number);
    for (int i = 0; i < count; ++i) {
      request.mutable_frame()->add_new_keys("n" + std::to_string(i));
    }
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
  // As the door does, once it was told to break off.
  void Break() {
    {
      absl::MutexLock lock(&mutex_);
      ASSERT_TRUE(broken_off_);
    }
    body_->OnGone();
  }
  bool IsBrokenOff() {
    absl::MutexLock lock(&mutex_);
    return broken_off_;
  }

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
  void AwaitAnswer() {
    absl::MutexLock lock(&mutex_);
    ASSERT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&writing_), kPatience));
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
  bool broken_off_ ABSL_GUARDED_BY(mutex_) = false;
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

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_METRIC_STREAM_TESTING_H_
