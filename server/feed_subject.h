// What tail_metrics.cc and watch_runs.cc have in common.
#ifndef MILLSTREAM_SERVER_FEED_SUBJECT_H_
#define MILLSTREAM_SERVER_FEED_SUBJECT_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/liveness.h"
#include "millstream/v1/entities.pb.h"
#include "server/run_feed.h"

namespace millstream::storage {
class MetricStore;
class TrackingStore;
}  // namespace millstream::storage

namespace millstream::server {

class RunPoller;

// Where a stream is: what it watches, how far it has got, and what its answers
// say of that.
struct FeedPlace {
  RunFeed::Subject subject;
  std::unique_ptr<RunFeed::Subscription> subscription;
  // What was stored at the beginning is being sent.
  bool catches_up = false;
  // A position was given and is not known any more.
  bool restarted = false;
  // A caller was told that all that was stored is sent, and this position last;
  // which is not behind all of the answers it was given.
  bool live = false;
  std::string position;
  bool position_is_behind = false;

  // Completes an answer. `ahead`: something was read from the subscription, or
  // left out by it, and is not in an answer yet. False: the answer is empty and
  // says nothing new.
  template <typename Answer>
  bool Complete(bool empty, bool ahead, Answer* answer) {
    if (!catches_up && !live) {
      live = true;
      answer->set_live(true);
    } else if (empty && (ahead || !position_is_behind)) {
      return false;
    }
    answer->set_restarted(std::exchange(restarted, false));
    // Until everything that was stored is sent, there is nowhere to go on from
    // but the beginning.
    position_is_behind = !live || ahead;
    if (!position_is_behind) position = subscription->position();
    answer->set_position(position);
    return true;
  }
};

// What the sources of a feed read. All outlive them.
struct FeedParts {
  RunFeed* feed = nullptr;
  storage::TrackingStore* store = nullptr;
  // For TailMetrics alone.
  storage::MetricStore* points = nullptr;
  // Null: no other server writes to the stores.
  RunPoller* poller = nullptr;
};

// INVALID_PARAMETER_VALUE: not exactly one of the ids, or a malformed position;
// RESOURCE_DOES_NOT_EXIST; RESOURCE_EXHAUSTED.
absl::StatusOr<FeedPlace> StartFeed(const FeedParts& parts, bool points,
                                    std::string_view run_id,
                                    std::string_view experiment_id,
                                    std::string_view position, bool from_now,
                                    std::function<void()> wake);

// The runs of an experiment, whatever their stage, or the one run. Not
// thread-safe.
class StoredRuns {
 public:
  // With all of their data, or only with their info. Store and caller
  // must outlive it.
  StoredRuns(storage::TrackingStore* store, const RunFeed::Subject& subject,
             bool with_data, const Liveness* caller = &Liveness::Always());

  // The next run; false: that was the last.
  absl::StatusOr<bool> Next(v1::Run* run);

  // Runs that were read and not returned yet.
  size_t held() const { return page_.size(); }

 private:
  absl::Status ReadPage();

  storage::TrackingStore* const store_;
  const RunFeed::Subject subject_;
  const bool with_data_;
  const Liveness* const caller_;
  std::deque<v1::Run> page_;
  std::string page_token_;
  bool ended_ = false;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_FEED_SUBJECT_H_
