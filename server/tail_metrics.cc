#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "millstream/v1/streams.pb.h"
#include "server/feed_sources.h"
#include "server/feed_subject.h"
#include "storage/metric_store.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

using storage::MetricPoint;

void AddColumn(std::string_view key, absl::Span<const MetricPoint> points,
               v1::TailMetricsResponse* answer) {
  v1::TailColumn* column = answer->add_columns();
  column->set_key(std::string(key));
  const int count = static_cast<int>(points.size());
  column->mutable_step_deltas()->Reserve(count);
  column->mutable_timestamp_deltas()->Reserve(count);
  column->mutable_values()->Reserve(count);
  uint64_t step = 0, timestamp = 0;
  for (const MetricPoint& point : points) {
    column->add_step_deltas(
        static_cast<int64_t>(static_cast<uint64_t>(point.step) - step));
    column->add_timestamp_deltas(static_cast<int64_t>(
        static_cast<uint64_t>(point.timestamp_ms) - timestamp));
    column->add_values(point.value);
    step = static_cast<uint64_t>(point.step);
    timestamp = static_cast<uint64_t>(point.timestamp_ms);
  }
}

// The last point that may come before those of this time and step.
std::optional<MetricPoint> Before(const MetricPoint& point) {
  using Int64 = std::numeric_limits<int64_t>;
  constexpr double kGreatest = std::numeric_limits<double>::infinity();
  if (point.step != Int64::min()) {
    return MetricPoint{point.timestamp_ms, point.step - 1, kGreatest};
  }
  if (point.timestamp_ms == Int64::min()) return std::nullopt;
  return MetricPoint{point.timestamp_ms - 1, Int64::max(), kGreatest};
}

// Points that were sent lately. Of what other servers take it is not known
// where it begins, so more is read.
class SentPoints {
 public:
  void Add(std::string_view run_id, std::string_view key,
           const MetricPoint& point) {
    const size_t hash = HashOf(run_id, key, point);
    if (!known_.insert(hash).second) return;
    order_.push_back(hash);
    if (order_.size() <= limits::kTailSentPointsMax) return;
    known_.erase(order_.front());
    order_.pop_front();
  }
  bool Has(std::string_view run_id, std::string_view key,
           const MetricPoint& point) const {
    return !known_.empty() && known_.contains(HashOf(run_id, key, point));
  }

 private:
  static size_t HashOf(std::string_view run_id, std::string_view key,
                       const MetricPoint& point) {
    return absl::HashOf(AbslView(run_id), AbslView(key), point.timestamp_ms,
                        point.step, storage::ValueOrder(point.value));
  }

  absl::flat_hash_set<size_t> known_;
  std::deque<size_t> order_;
};

// Reads the store and the feed in turn: the store at the beginning, and
// wherever the feed does not hold what came any more.
class TailSource final : public FeedSource {
 public:
  explicit TailSource(const FeedParts& parts)
      : parts_(parts), store_(parts.store), points_(parts.points) {}

  absl::Status Begin(StreamMessage& message,
                     std::function<void()> wake) override {
    v1::TailMetricsRequest request;
    if (!message.Parse(&request)) {
      return MakeError(v1::BAD_REQUEST,
                       "The request is no well-formed TailMetricsRequest.");
    }
    if (request.keys_size() > limits::kTailKeysMax) {
      return InvalidParameter("'keys' may name at most ", limits::kTailKeysMax,
                              " metrics; name none to get all.");
    }
    wanted_.insert(request.keys().begin(), request.keys().end());
    ASSIGN_OR_RETURN(place_, StartFeed(parts_, true, request.run_id(),
                                       request.experiment_id(),
                                       request.position(), request.from_now(),
                                       std::move(wake)));
    if (place_.catches_up) runs_.emplace(store_, place_.subject, false);
    return absl::OkStatus();
  }

  absl::StatusOr<const google::protobuf::Message*> Next() override {
    answer_.Clear();
    room_ = limits::kTailAnswerPointsMax;
    events_first_ = !events_first_;
    // Once more if points were left out in between: nobody may wake it.
    do {
      for (bool events : {events_first_, !events_first_}) {
        if (answer_.columns_size() > 0) break;
        RETURN_IF_ERROR(events ? TakeEvents() : TakeStored());
      }
    } while (answer_.columns_size() == 0 &&
             place_.subscription->has_left_out());
    const bool ahead = !events_.empty() || runs_.has_value() ||
                       !series_left_.empty() ||
                       place_.subscription->has_left_out();
    if (!place_.Complete(answer_.columns_size() == 0, ahead, &answer_)) {
      return nullptr;
    }
    return &answer_;
  }

 private:
  struct StoredSeries {
    std::string key;
    // What comes behind this point is left to read; absent: all.
    std::optional<MetricPoint> after;
  };

  bool IsWanted(std::string_view key) const {
    return wanted_.empty() || wanted_.contains(std::string(key));
  }
  bool IsFull() const { return room_ == 0; }

  void AddPoints(std::string_view run_id, std::string_view key,
                 absl::Span<const MetricPoint> points) {
    answer_.set_run_id(std::string(run_id));
    AddColumn(key, points, &answer_);
    room_ -= points.size();
    if (parts_.poller == nullptr) return;
    for (const MetricPoint& point : points) sent_.Add(run_id, key, point);
  }

  // Whether a run that the feed could not tell the experiment of is watched.
  absl::StatusOr<bool> IsWatched(const std::string& run_id) {
    if (!place_.subject.experiment) return true;
    v1::RunInfo info;
    const absl::Status status = store_->GetRunInfo(run_id, &info);
    if (status.ok()) return info.experiment_id() == place_.subject.id;
    if (GetErrorCode(status) == v1::RESOURCE_DOES_NOT_EXIST) return false;
    return status;
  }

  // Fills the answer with stored points of one run; leaves it empty when there
  // is nothing to read any more.
  absl::Status TakeStored() {
    while (answer_.columns_size() == 0) {
      if (series_left_.empty()) {
        ASSIGN_OR_RETURN(const bool found, NextStoredRun());
        if (!found) return absl::OkStatus();
      }
      while (!IsFull() && !series_left_.empty()) {
        StoredSeries& series = series_left_.front();
        const MetricPoint* after = series.after ? &*series.after : nullptr;
        place_.subscription->WillRead(run_id_, series.key, after);
        std::vector<MetricPoint> points;
        const size_t limit = room_;
        RETURN_IF_ERROR(points_->ReadHistory(run_id_, series.key, after, limit,
                                             &points));
        const size_t read = points.size();
        if (read > 0) series.after = points.back();
        std::erase_if(points, [&](const MetricPoint& point) {
          return sent_.Has(run_id_, series.key, point);
        });
        if (!points.empty()) AddPoints(run_id_, series.key, points);
        if (read < limit) {
          keys_left_.erase(series.key);
          series_left_.pop_front();
        }
      }
    }
    return absl::OkStatus();
  }

  void WillSend(std::string_view key, const std::optional<MetricPoint>& after) {
    if (!IsWanted(key)) return;
    series_left_.push_back({std::string(key), after});
    keys_left_.insert(series_left_.back().key);
  }

  // Finds the next run that is to be read, and what of it; false: none.
  absl::StatusOr<bool> NextStoredRun() {
    if (!runs_.has_value()) {
      LeftOut left_out;
      if (!place_.subscription->ReadLeftOut(&left_out)) return false;
      if (!left_out.all) {
        ASSIGN_OR_RETURN(const bool is_watched, IsWatched(left_out.run_id));
        if (!is_watched) return true;
        run_id_ = left_out.run_id;
        for (const auto& [key, least] : left_out.series) {
          WillSend(key, Before(least));
        }
        return true;
      }
      from_ = Before(left_out.least);
      runs_.emplace(store_, place_.subject, false);
    }
    v1::Run run;
    ASSIGN_OR_RETURN(const bool found, runs_->Next(&run));
    if (!found) {
      runs_.reset();
      place_.catches_up = false;
      return true;
    }
    run_id_ = run.info().run_id();
    RETURN_IF_ERROR(points_->ReadLatest(
        run_id_, [this](std::string_view key, const MetricPoint&) {
          WillSend(key, from_);
        }));
    return true;
  }

  // Whether all points of the series are among those that TakeStored is about
  // to read: that comes later than they did.
  bool WillBeRead(const std::string& run_id,
                  const LoggedPoints::Series& series) const {
    if (series_left_.empty() || run_id != run_id_ ||
        !keys_left_.contains(series.key)) {
      return false;
    }
    // Of those behind the first nothing is read yet.
    const bool is_first = series_left_.front().key == series.key;
    if (!is_first && !runs_.has_value()) return false;
    const auto& after = is_first ? series_left_.front().after : from_;
    return !after.has_value() || HistoryLess(*after, series.least);
  }

  // Fills the answer with points of one run from the feed; leaves it empty when
  // it has none any more.
  absl::Status TakeEvents() {
    while (!IsFull()) {
      if (events_.empty()) {
        if (answer_.columns_size() > 0) return absl::OkStatus();
        std::vector<std::shared_ptr<const LoggedPoints>> events;
        place_.subscription->ReadPoints(limits::kTailAnswerPointsMax, &events);
        if (events.empty()) return absl::OkStatus();
        events_.assign(events.begin(), events.end());
      }
      const LoggedPoints& event = *events_.front();
      if (answer_.columns_size() > 0 && answer_.run_id() != event.run_id) break;
      bool is_watched = true;
      if (event.of_any_experiment) {
        ASSIGN_OR_RETURN(is_watched, IsWatched(event.run_id));
      }
      if (is_watched && !TakeSeries(event)) break;
      series_ = 0;
      events_.pop_front();
    }
    return absl::OkStatus();
  }

  // False: the answer is full before the end of the event.
  bool TakeSeries(const LoggedPoints& event) {
    for (; series_ < event.series.size(); ++series_, taken_ = 0) {
      const LoggedPoints::Series& series = event.series[series_];
      if (!IsWanted(series.key)) continue;
      if (taken_ == 0 && WillBeRead(event.run_id, series)) continue;
      if (IsFull()) return false;
      const size_t count = std::min(room_, series.points.size() - taken_);
      AddPoints(event.run_id, series.key,
                absl::MakeSpan(series.points).subspan(taken_, count));
      taken_ += count;
      if (taken_ < series.points.size()) return false;
    }
    return true;
  }

  const FeedParts parts_;
  storage::TrackingStore* const store_;
  storage::MetricStore* const points_;
  absl::flat_hash_set<std::string> wanted_;
  FeedPlace place_;

  // From the store: the runs left, of which all is read that is behind from_;
  // and of the run that is being read the metrics left.
  std::optional<StoredRuns> runs_;
  std::optional<MetricPoint> from_;
  std::string run_id_;
  std::deque<StoredSeries> series_left_;
  absl::flat_hash_set<std::string> keys_left_;

  // From the feed: the writes left, and how far the first of these is sent.
  std::deque<std::shared_ptr<const LoggedPoints>> events_;
  SentPoints sent_;
  size_t series_ = 0;
  size_t taken_ = 0;

  bool events_first_ = true;
  v1::TailMetricsResponse answer_;
  // Points that it may still take.
  size_t room_ = 0;
};

}  // namespace

std::unique_ptr<FeedSource> MakeTailSource(const FeedParts& parts) {
  return std::make_unique<TailSource>(parts);
}

}  // namespace millstream::server
