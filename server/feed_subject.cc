#include "server/feed_subject.h"

#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "server/run_poller.h"
#include "storage/search/search.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

// Runs that are in memory at a time, at most: with their data, and without.
constexpr int64_t kPageRuns = 32;
constexpr int64_t kPageIds = 500;

}  // namespace

absl::StatusOr<FeedPlace> StartFeed(const FeedParts& parts, bool points,
                                    std::string_view run_id,
                                    std::string_view experiment_id,
                                    std::string_view position, bool from_now,
                                    std::function<void()> wake) {
  if (run_id.empty() == experiment_id.empty()) {
    return InvalidParameter("Give one of 'run_id' and 'experiment_id'.");
  }
  FeedPlace start;
  start.subject.points = points;
  start.subject.experiment = run_id.empty();
  if (start.subject.experiment) {
    v1::Experiment experiment;
    RETURN_IF_ERROR(parts.store->GetExperiment(experiment_id, &experiment));
    start.subject.id = experiment.experiment_id();
  } else {
    v1::RunInfo info;
    RETURN_IF_ERROR(parts.store->GetRunInfo(run_id, &info));
    start.subject.id = std::string(run_id);
  }
  ASSIGN_OR_RETURN(
      start.subscription,
      parts.feed->Subscribe(start.subject, position, std::move(wake)));
  start.restarted = !position.empty() && !start.subscription->resumed();
  // Before anything is read that others may change.
  if (parts.poller != nullptr && (position.empty() || start.restarted)) {
    RETURN_IF_ERROR(parts.poller->Begin(start.subject));
  }
  start.catches_up = position.empty() ? !from_now : start.restarted;
  return start;
}

StoredRuns::StoredRuns(storage::TrackingStore* store,
                       const RunFeed::Subject& subject, bool with_data,
                       const Liveness* caller)
    : store_(store),
      subject_(subject),
      with_data_(with_data),
      caller_(caller) {}

absl::StatusOr<bool> StoredRuns::Next(v1::Run* run) {
  run->Clear();
  if (!subject_.experiment) {
    if (std::exchange(ended_, true)) return false;
    if (with_data_) {
      RETURN_IF_ERROR(store_->GetRun(subject_.id, run));
    } else {
      RETURN_IF_ERROR(store_->GetRunInfo(subject_.id, run->mutable_info()));
    }
    return true;
  }
  while (page_.empty()) {
    if (ended_) return false;
    RETURN_IF_ERROR(ReadPage());
  }
  *run = std::move(page_.front());
  page_.pop_front();
  return true;
}

absl::Status StoredRuns::ReadPage() {
  storage::search::RunSearch search;
  search.experiment_ids = {subject_.id};
  search.view = storage::search::ViewType::kAll;
  search.max_results = with_data_ ? kPageRuns : kPageIds;
  search.page_token = page_token_;
  search.caller = caller_;
  search.parts = with_data_;
  search.model_inputs = true;
  search.parts_bytes_max = limits::kWatchPageBytes;
  v1::SearchRunsResponse page;
  RETURN_IF_ERROR(store_->SearchRuns(search, &page));
  for (v1::Run& found : *page.mutable_runs()) {
    v1::Run& run = page_.emplace_back();
    if (with_data_) {
      run = std::move(found);
    } else {
      *run.mutable_info() = std::move(*found.mutable_info());
    }
  }
  page_token_ = page.next_page_token();
  ended_ = page_token_.empty();
  return absl::OkStatus();
}

}  // namespace millstream::server
