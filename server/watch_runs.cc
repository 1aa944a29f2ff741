#include <deque>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "millstream/v1/streams.pb.h"
#include "server/feed_sources.h"
#include "server/feed_subject.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

// Runs that are read from the feed at a time.
constexpr size_t kChangesMax = 64;

// Leaves of a run what has changed.
void SetChange(uint8_t parts, v1::RunChange* change) {
  v1::RunData* data = change->mutable_run()->mutable_data();
  change->set_inputs((parts & kRunInputs) != 0);
  change->set_params((parts & kRunParams) != 0);
  change->set_tags((parts & kRunTags) != 0);
  change->set_metrics((parts & kRunMetrics) != 0);
  if (!change->params()) data->clear_params();
  if (!change->tags()) data->clear_tags();
  if (!change->metrics()) data->clear_metrics();
  if (!change->inputs()) {
    change->mutable_run()->clear_inputs();
    change->mutable_run()->clear_outputs();
  }
}

class WatchSource final : public FeedSource {
 public:
  explicit WatchSource(const FeedParts& parts)
      : parts_(parts), store_(parts.store) {}

  absl::Status Begin(StreamMessage& message,
                     std::function<void()> wake) override {
    v1::WatchRunsRequest request;
    if (!message.Parse(&request)) {
      return MakeError(v1::BAD_REQUEST,
                       "The request is no well-formed WatchRunsRequest.");
    }
    ASSIGN_OR_RETURN(place_, StartFeed(parts_, false, request.run_id(),
                                       request.experiment_id(),
                                       request.position(), request.from_now(),
                                       std::move(wake)));
    if (place_.catches_up) stored_.emplace(store_, place_.subject, true);
    return absl::OkStatus();
  }

  absl::StatusOr<const google::protobuf::Message*> Next() override {
    answer_.Clear();
    size_t bytes = 0;
    while (bytes < limits::kWatchAnswerBytes) {
      v1::RunChange* change = answer_.add_changes();
      ASSIGN_OR_RETURN(const bool found,
                       stored_.has_value() ? TakeStored(change)
                                           : TakeChange(change));
      if (!found) {
        answer_.mutable_changes()->RemoveLast();
        break;
      }
      bytes += change->ByteSizeLong();
    }
    const bool ahead = stored_.has_value() || !changes_.empty();
    if (!place_.Complete(answer_.changes_size() == 0, ahead, &answer_)) {
      return nullptr;
    }
    return &answer_;
  }

 private:
  // The feed may not have known whose run it is.
  bool IsWatched(const v1::RunInfo& info) const {
    return !place_.subject.experiment ||
           info.experiment_id() == place_.subject.id;
  }

  absl::StatusOr<bool> TakeStored(v1::RunChange* change) {
    ASSIGN_OR_RETURN(const bool found, stored_->Next(change->mutable_run()));
    if (found) {
      SetChange(kRunAll, change);
      return true;
    }
    stored_.reset();
    place_.catches_up = false;
    return TakeChange(change);
  }

  absl::StatusOr<bool> TakeChange(v1::RunChange* change) {
    while (true) {
      if (changes_.empty()) {
        std::vector<std::pair<std::string, uint8_t>> changes;
        bool all = false;
        place_.subscription->ReadChanges(kChangesMax, &changes, &all);
        if (all) {
          // Every run may have changed: all are sent anew.
          stored_.emplace(store_, place_.subject, true);
          return TakeStored(change);
        }
        changes_.assign(changes.begin(), changes.end());
        if (changes_.empty()) return false;
      }
      const auto [run_id, parts] = std::move(changes_.front());
      changes_.pop_front();
      absl::Status status = store_->GetRun(run_id, change->mutable_run());
      if (status.ok() && IsWatched(change->run().info())) {
        SetChange(parts, change);
        return true;
      }
      change->Clear();
      if (status.ok()) continue;
      // Gone meanwhile, as no rpc makes a run.
      if (GetErrorCode(status) != v1::RESOURCE_DOES_NOT_EXIST) return status;
    }
  }

  const FeedParts parts_;
  storage::TrackingStore* const store_;
  FeedPlace place_;
  std::optional<StoredRuns> stored_;
  std::deque<std::pair<std::string, uint8_t>> changes_;
  v1::WatchRunsResponse answer_;
};

}  // namespace

std::unique_ptr<FeedSource> MakeWatchSource(const FeedParts& parts) {
  return std::make_unique<WatchSource>(parts);
}

}  // namespace millstream::server
