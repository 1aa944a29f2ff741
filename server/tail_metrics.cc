#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
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

class TailSource final : public FeedSource {
 public:
  TailSource(RunFeed* feed, storage::TrackingStore* store,
             storage::MetricStore* points)
      : feed_(feed), store_(store), points_(points) {}

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
    ASSIGN_OR_RETURN(start_, StartFeed(feed_, store_, true, request.run_id(),
                                       request.experiment_id(),
                                       request.position(), request.from_now(),
                                       std::move(wake)));
    if (start_.catches_up) stored_.emplace(store_, start_.subject);
    return absl::OkStatus();
  }

  absl::StatusOr<const google::protobuf::Message*> Next() override {
    answer_.Clear();
    room_ = limits::kTailAnswerPointsMax;
    if (stored_.has_value()) RETURN_IF_ERROR(TakeStored());
    if (answer_.columns_size() == 0) {
      answer_.clear_run_id();
      RETURN_IF_ERROR(TakeEvents());
    }
    if (!start_.Complete(answer_.columns_size() == 0, stored_.has_value(),
                         !events_.empty(), &answer_)) {
      return nullptr;
    }
    return &answer_;
  }

 private:
  bool IsWanted(std::string_view key) const {
    return wanted_.empty() || wanted_.contains(std::string(key));
  }

  // Fills the answer with stored points of one run; leaves it empty when there
  // are none any more.
  absl::Status TakeStored() {
    while (room_ == limits::kTailAnswerPointsMax) {
      if (keys_.empty()) {
        v1::Run run;
        ASSIGN_OR_RETURN(const bool found, stored_->Next(&run));
        if (!found) {
          stored_.reset();
          return absl::OkStatus();
        }
        run_id_ = run.info().run_id();
        RETURN_IF_ERROR(points_->ReadLatest(
            run_id_, [this](std::string_view key, const MetricPoint&) {
              if (IsWanted(key)) keys_.emplace_back(key);
            }));
      }
      answer_.set_run_id(run_id_);
      while (room_ > 0 && !keys_.empty()) {
        std::vector<MetricPoint> points;
        const size_t limit = room_;
        RETURN_IF_ERROR(points_->ReadHistory(run_id_, keys_.front(),
                                             after_ ? &*after_ : nullptr,
                                             limit, &points));
        if (!points.empty()) {
          AddColumn(keys_.front(), points, &answer_);
          after_ = points.back();
          room_ -= points.size();
        }
        if (points.size() < limit) {
          keys_.pop_front();
          after_.reset();
        }
      }
    }
    return absl::OkStatus();
  }

  // Fills the answer with points of one run from the feed.
  absl::Status TakeEvents() {
    if (stored_.has_value()) return absl::OkStatus();
    if (events_.empty()) {
      std::vector<std::shared_ptr<const LoggedPoints>> events;
      RETURN_IF_ERROR(start_.subscription->ReadPoints(
          limits::kTailAnswerPointsMax, &events));
      events_.assign(events.begin(), events.end());
    }
    while (room_ > 0 && !events_.empty()) {
      const LoggedPoints& event = *events_.front();
      if (answer_.columns_size() > 0 && answer_.run_id() != event.run_id) break;
      answer_.set_run_id(event.run_id);
      while (room_ > 0 && series_ < event.series.size()) {
        const auto& [key, points] = event.series[series_];
        const size_t count = std::min(room_, points.size() - taken_);
        if (IsWanted(key)) {
          AddColumn(key, absl::MakeSpan(points).subspan(taken_, count),
                    &answer_);
          room_ -= count;
          taken_ += count;
          if (taken_ < points.size()) break;
        }
        taken_ = 0;
        ++series_;
      }
      if (series_ < event.series.size()) break;
      series_ = 0;
      events_.pop_front();
    }
    return absl::OkStatus();
  }

  RunFeed* const feed_;
  storage::TrackingStore* const store_;
  storage::MetricStore* const points_;
  absl::flat_hash_set<std::string> wanted_;
  FeedStart start_;

  // What is stored: the runs left, and of the one that is being sent the
  // metrics left, and how far the first of these is sent.
  std::optional<StoredRuns> stored_;
  std::string run_id_;
  std::deque<std::string> keys_;
  std::optional<MetricPoint> after_;

  // From the feed: the writes left, and how far the first of these is sent.
  std::deque<std::shared_ptr<const LoggedPoints>> events_;
  size_t series_ = 0;
  size_t taken_ = 0;

  v1::TailMetricsResponse answer_;
  // Points that it may still take.
  size_t room_ = 0;
};

}  // namespace

std::unique_ptr<FeedSource> MakeTailSource(RunFeed* feed,
                                           storage::TrackingStore* store,
                                           storage::MetricStore* points) {
  return std::make_unique<TailSource>(feed, store, points);
}

}  // namespace millstream::server
