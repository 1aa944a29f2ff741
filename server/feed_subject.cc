#include "server/feed_subject.h"

#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "storage/search/search.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

// Runs that are in memory at a time.
constexpr int64_t kPageRuns = 100;

}  // namespace

absl::StatusOr<FeedStart> StartFeed(RunFeed* feed,
                                    storage::TrackingStore* store, bool points,
                                    std::string_view run_id,
                                    std::string_view experiment_id,
                                    std::string_view position, bool from_now,
                                    std::function<void()> wake) {
  if (run_id.empty() == experiment_id.empty()) {
    return InvalidParameter("Give one of 'run_id' and 'experiment_id'.");
  }
  FeedStart start;
  start.subject.points = points;
  start.subject.experiment = run_id.empty();
  if (start.subject.experiment) {
    v1::Experiment experiment;
    RETURN_IF_ERROR(store->GetExperiment(experiment_id, &experiment));
    start.subject.id = experiment.experiment_id();
  } else {
    v1::RunInfo info;
    RETURN_IF_ERROR(store->GetRunInfo(run_id, &info));
    start.subject.id = std::string(run_id);
  }
  ASSIGN_OR_RETURN(start.subscription,
                   feed->Subscribe(start.subject, position, std::move(wake)));
  start.restarted = !position.empty() && !start.subscription->resumed();
  start.catches_up = position.empty() ? !from_now : start.restarted;
  return start;
}

StoredRuns::StoredRuns(storage::TrackingStore* store,
                       const RunFeed::Subject& subject)
    : store_(store), subject_(subject) {}

absl::StatusOr<bool> StoredRuns::Next(v1::Run* run) {
  run->Clear();
  if (!subject_.experiment) {
    if (std::exchange(ended_, true)) return false;
    RETURN_IF_ERROR(store_->GetRun(subject_.id, run));
    return true;
  }
  while (page_.empty()) {
    if (ended_) return false;
    storage::search::RunSearch search;
    search.experiment_ids = {subject_.id};
    search.view = storage::search::ViewType::kAll;
    search.max_results = kPageRuns;
    search.page_token = page_token_;
    v1::SearchRunsResponse page;
    RETURN_IF_ERROR(store_->SearchRuns(search, &page));
    for (v1::Run& found : *page.mutable_runs()) {
      page_.push_back(std::move(found));
    }
    page_token_ = page.next_page_token();
    ended_ = page_token_.empty();
  }
  *run = std::move(page_.front());
  page_.pop_front();
  return true;
}

}  // namespace millstream::server
