// What tests of TailMetrics and WatchRuns have in common: a metric store in
// memory, callers, and streams on a feed of small bounds.
#ifndef MILLSTREAM_SERVER_FEED_STREAM_TESTING_H_
#define MILLSTREAM_SERVER_FEED_STREAM_TESTING_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "gtest/gtest.h"
#include "millstream/v1/streams.pb.h"
#include "server/call_context.h"
#include "server/feed_sources.h"
#include "server/feed_stream.h"
#include "server/run_feed.h"
#include "storage/metric_store.h"
#include "storage/testing/sqlite_stores.h"
#include "storage/tracking_store.h"

namespace millstream::server {

inline constexpr absl::Duration kPatience = absl::Seconds(60);

// Points in memory. Thread-safe.
class MemoryStore final : public storage::MetricStore {
 public:
  using MetricPoint = storage::MetricPoint;

  absl::Status Append(std::string_view run_id,
                      absl::Span<const storage::SeriesAppend> series,
                      const storage::AppendOptions&) override {
    absl::MutexLock lock(&mutex_);
    for (const auto& s : series) {
      auto& points = series_[std::string(run_id)][std::string(s.key)];
      points.insert(s.points.begin(), s.points.end());
    }
    return absl::OkStatus();
  }
  absl::Status ReadHistoryFor(const Liveness&, std::string_view run_id,
                              std::string_view key, const MetricPoint* after,
                              size_t limit,
                              std::vector<MetricPoint>* points) override {
    absl::MutexLock lock(&mutex_);
    const auto& all = series_[std::string(run_id)][std::string(key)];
    auto it = after == nullptr ? all.begin() : all.upper_bound(*after);
    for (; it != all.end() && limit > 0; ++it, --limit) points->push_back(*it);
    return absl::OkStatus();
  }
  absl::Status ReadLatest(
      std::string_view run_id,
      absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit)
      override {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, points] : series_[std::string(run_id)]) {
      visit(key, *points.rbegin());
    }
    return absl::OkStatus();
  }
  absl::Status SampleFor(const Liveness&, std::string_view, std::string_view,
                         const storage::StepRange&, size_t,
                         std::vector<MetricPoint>*) override {
    return absl::UnimplementedError("");
  }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::StatusOr<uint64_t> ReadLastFrame(std::string_view,
                                         std::string_view) override {
    return 0;
  }
  absl::StatusOr<std::vector<storage::RunMark>> ListMarks() override {
    return std::vector<storage::RunMark>();
  }
  absl::Status RemoveMarks(absl::Span<const storage::RunMark>) override {
    return absl::OkStatus();
  }

 private:
  struct Less {
    bool operator()(const MetricPoint& a, const MetricPoint& b) const {
      return HistoryLess(a, b);
    }
  };
  absl::Mutex mutex_;
  std::map<std::string, std::map<std::string, std::set<MetricPoint, Less>>>
      series_ ABSL_GUARDED_BY(mutex_);
};

class SentMessage final : public StreamMessage {
 public:
  explicit SentMessage(const google::protobuf::Message& message)
      : bytes_(message.SerializeAsString()) {}
  size_t size() const override { return bytes_.size(); }
  bool Parse(google::protobuf::Message* message) override {
    return message->ParseFromString(bytes_);
  }

 private:
  const std::string bytes_;
};

// A caller that has sent its request and takes answers when it is told to.
template <typename Answer>
class Watcher final : public StreamCaller {
 public:
  Watcher(FeedStreams* streams, std::unique_ptr<FeedSource> source,
          const google::protobuf::Message& request) {
    auto body = streams->Open(context_, std::move(source));
    opened = body.status();
    if (!body.ok()) return;
    body_ = *std::move(body);
    body_->Start(this);
    body_->OnMessage(std::make_unique<SentMessage>(request));
  }
  // A caller that sends no request.
  Watcher(FeedStreams* streams, std::unique_ptr<FeedSource> source)
      : body_(*streams->Open(context_, std::move(source))) {
    body_->Start(this);
  }
  ~Watcher() override {
    if (body_ == nullptr) return;
    body_->OnGone();
    AwaitEnd().IgnoreError();
  }

  CallContext& context() override { return context_; }
  void Read() override {}
  void Write(const google::protobuf::Message& message) override {
    absl::MutexLock lock(&mutex_);
    EXPECT_FALSE(answer_.has_value());
    answer_.emplace();
    answer_->CopyFrom(message);
  }
  void BreakOff() override {
    absl::MutexLock lock(&mutex_);
    broken_off_ = true;
  }
  void End(const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    end_ = status;
  }

  // The next answer.
  Answer Next() {
    Answer answer;
    {
      absl::MutexLock lock(&mutex_);
      auto there = [this] {
        mutex_.AssertHeld();
        return answer_.has_value() || end_.has_value();
      };
      EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience));
      if (!answer_.has_value()) {
        ADD_FAILURE() << "ended: " << end_.value_or(absl::OkStatus());
        return answer;
      }
      answer = *std::exchange(answer_, std::nullopt);
    }
    body_->OnWritten();
    return answer;
  }
  // Answers up to the one that says that all that was stored is sent.
  std::vector<Answer> UntilLive() {
    std::vector<Answer> answers;
    do {
      answers.push_back(Next());
    } while (!answers.back().live() && !testing::Test::HasFailure());
    return answers;
  }
  // As the door does, once it was told to break off.
  void Break() {
    {
      absl::MutexLock lock(&mutex_);
      ASSERT_TRUE(broken_off_);
      answer_.reset();
    }
    body_->OnGone();
    body_->OnWritten();
  }
  bool IsBrokenOff() {
    absl::MutexLock lock(&mutex_);
    return broken_off_;
  }
  absl::Status AwaitEnd() {
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        auto event = [this] {
          mutex_.AssertHeld();
          return answer_.has_value() || end_.has_value();
        };
        EXPECT_TRUE(
            mutex_.AwaitWithTimeout(absl::Condition(&event), kPatience));
        if (end_.has_value()) return *end_;
        answer_.reset();
      }
      body_->OnWritten();
    }
  }
  void AwaitAnswer() {
    absl::MutexLock lock(&mutex_);
    auto there = [this] {
      mutex_.AssertHeld();
      return answer_.has_value();
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&there), kPatience));
  }
  bool HasAnswer() {
    absl::MutexLock lock(&mutex_);
    return answer_.has_value();
  }

  absl::Status opened;

 private:
  CallContext context_{Door::kGrpc};
  std::shared_ptr<StreamBody> body_;
  absl::Mutex mutex_;
  std::optional<Answer> answer_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool broken_off_ ABSL_GUARDED_BY(mutex_) = false;
};

using Tail = Watcher<v1::TailMetricsResponse>;
using Watch = Watcher<v1::WatchRunsResponse>;

class FeedStreamTest : public testing::Test {
 protected:
  FeedStreamTest() { run_ = NewRun(); }

  std::string NewRun() {
    v1::RunInfo info;
    info.set_run_id("run" + std::to_string(++runs_));
    info.set_experiment_id("0");
    info.set_run_name("a run");
    info.set_status(v1::RUNNING);
    v1::Run run;
    EXPECT_TRUE(stores_.tracking()->CreateRun(info, {}, &run).ok());
    return info.run_id();
  }
  // As AnnouncingRunLog does.
  void Log(const std::string& run_id, const std::string& key, int64_t first,
           int count = 1) {
    std::vector<storage::MetricPoint> points;
    for (int64_t i = first; i < first + count; ++i) points.push_back({i, i, 1});
    const storage::SeriesAppend series{key, points};
    ASSERT_TRUE(points_.Append(run_id, {&series, 1}, {}).ok());
    feed_.PointsLogged(run_id, {&series, 1});
  }
  // As another server does.
  void LogElsewhere(const std::string& run_id, const std::string& key,
                    int64_t step) {
    const storage::MetricPoint point = {step, step, 1};
    const storage::SeriesAppend series{key, {&point, 1}};
    ASSERT_TRUE(points_.Append(run_id, {&series, 1}, {}).ok());
  }
  void SetTag(const std::string& key, const std::string& value) {
    ASSERT_TRUE(stores_.tracking()->SetRunTag(run_, key, value).ok());
    feed_.RunChanged(run_, kRunTags);
  }

  std::unique_ptr<Tail> NewTail(const v1::TailMetricsRequest& request) {
    return std::make_unique<Tail>(
        &streams_, MakeTailSource(parts_), request);
  }
  std::unique_ptr<Watch> NewWatch(const v1::WatchRunsRequest& request) {
    return std::make_unique<Watch>(
        &streams_, MakeWatchSource(parts_), request);
  }
  v1::TailMetricsRequest OfRun() {
    v1::TailMetricsRequest request;
    request.set_run_id(run_);
    return request;
  }
  v1::WatchRunsRequest WatchOfRun() {
    v1::WatchRunsRequest request;
    request.set_run_id(run_);
    return request;
  }

  // Steps by run and metric.
  using Steps = std::map<std::string, std::vector<int64_t>>;
  static void AddSteps(const v1::TailMetricsResponse& answer, Steps* steps) {
    for (const v1::TailColumn& column : answer.columns()) {
      int64_t step = 0, timestamp = 0;
      for (int i = 0; i < column.values_size(); ++i) {
        step += column.step_deltas(i);
        timestamp += column.timestamp_deltas(i);
        EXPECT_EQ(step, timestamp);
        (*steps)[answer.run_id() + "/" + column.key()].push_back(step);
      }
    }
  }
  static Steps StepsOf(const std::vector<v1::TailMetricsResponse>& answers) {
    Steps steps;
    for (const auto& answer : answers) AddSteps(answer, &steps);
    return steps;
  }

  storage::testing::SqliteStores stores_;
  MemoryStore points_;
  absl::Status lookup_;
  RunFeed feed_{[this](std::string_view) -> absl::StatusOr<std::string> {
                  if (!lookup_.ok()) return lookup_;
                  return std::string("0");
                },
                &Clock::System(),
                {.topic_bytes = 100'000, .left_out_series = 8}};
  FeedParts parts_{&feed_, stores_.tracking(), &points_};
  FeedStreams streams_{{.streams = {.open = 3, .open_each = 3}}};
  FeedStreams more_streams_{{.streams = {.open = 10, .open_each = 10}}};
  std::string run_;
  int runs_ = 0;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_FEED_STREAM_TESTING_H_
