// TailMetrics and WatchRuns: what is sent first, what then, and how such a
// stream lives and ends. Over a connection: tests/api/test_watching.py.
#include "server/feed_stream.h"

#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millstream/v1/streams.pb.h"
#include "server/call_context.h"
#include "server/feed_sources.h"
#include "server/run_feed.h"
#include "storage/metric_store.h"
#include "storage/testing/sqlite_stores.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

using storage::MetricPoint;

constexpr absl::Duration kPatience = absl::Seconds(60);

// Points in memory. Thread-safe.
class MemoryStore final : public storage::MetricStore {
 public:
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
  absl::Status ReadHistory(std::string_view run_id, std::string_view key,
                           const MetricPoint* after, size_t limit,
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
  absl::Status Sample(std::string_view, std::string_view,
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
    auto body = streams->Open(std::move(source));
    opened = body.status();
    if (!body.ok()) return;
    body_ = *std::move(body);
    body_->Start(this);
    body_->OnMessage(std::make_unique<SentMessage>(request));
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
    std::vector<MetricPoint> points;
    for (int64_t i = first; i < first + count; ++i) points.push_back({i, i, 1});
    const storage::SeriesAppend series{key, points};
    ASSERT_TRUE(points_.Append(run_id, {&series, 1}, {}).ok());
    feed_.PointsLogged(run_id, {&series, 1});
  }
  void SetTag(const std::string& key, const std::string& value) {
    ASSERT_TRUE(stores_.tracking()->SetRunTag(run_, key, value).ok());
    feed_.RunChanged(run_, kRunTags);
  }

  std::unique_ptr<Tail> NewTail(const v1::TailMetricsRequest& request) {
    return std::make_unique<Tail>(
        &streams_, MakeTailSource(&feed_, stores_.tracking(), &points_),
        request);
  }
  std::unique_ptr<Watch> NewWatch(const v1::WatchRunsRequest& request) {
    return std::make_unique<Watch>(
        &streams_, MakeWatchSource(&feed_, stores_.tracking()), request);
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
  RunFeed feed_{[](std::string_view) { return std::string("0"); },
                &Clock::System(),
                {.topic_bytes = 100'000}};
  FeedStreams streams_{{.streams = 3}};
  std::string run_;
  int runs_ = 0;
};

TEST_F(FeedStreamTest, ATailSendsWhatIsStoredThenWhatComes) {
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

TEST_F(FeedStreamTest, ATailGoesOnFromAPosition) {
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

TEST_F(FeedStreamTest, FromAnUnknownPositionEverythingIsSentAgain) {
  Log(run_, "m", 1, 2);
  auto request = OfRun();
  request.set_position(std::string(16, '0') + ".7");
  const auto answers = NewTail(request)->UntilLive();
  EXPECT_TRUE(answers[0].restarted());
  EXPECT_EQ(StepsOf(answers), (Steps{{"run1/m", {1, 2}}}));
}

TEST_F(FeedStreamTest, LongHistoriesComeInPieces) {
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

TEST_F(FeedStreamTest, LargeWritesComeInPieces) {
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

TEST_F(FeedStreamTest, PointsThatComeMeanwhileAreNotLeftOut) {
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

TEST_F(FeedStreamTest, AnExperimentsTailHasAllItsRuns) {
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

TEST_F(FeedStreamTest, ASlowReaderIsCutOff) {
  auto request = OfRun();
  request.set_from_now(true);
  auto tail = NewTail(request);
  const std::string position = tail->UntilLive().back().position();
  for (int i = 0; i < 100; ++i) Log(run_, "m", i * 100, 100);
  const absl::Status end = tail->AwaitEnd();
  EXPECT_EQ(GetErrorCode(end), v1::RESOURCE_EXHAUSTED);
  EXPECT_NE(std::string(end.message()).find("position '"), std::string::npos);
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
  for (const auto& answer : watch->UntilLive()) {
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
  EXPECT_EQ(FeedStreams::Limits().streams, limits::kFeedStreamsMax);
  EXPECT_EQ(FeedStreams::Limits().threads, limits::kFeedThreadsMax);
  std::vector<std::unique_ptr<Tail>> tails;
  for (int i = 0; i < 3; ++i) tails.push_back(NewTail(OfRun()));
  EXPECT_EQ(GetErrorCode(NewTail(OfRun())->opened), v1::RESOURCE_EXHAUSTED);
  tails.clear();
  EXPECT_EQ(streams_.open(), 0u);
  EXPECT_TRUE(NewTail(OfRun())->opened.ok());
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
