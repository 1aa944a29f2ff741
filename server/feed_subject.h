// What tail_metrics.cc and watch_runs.cc have in common.
#ifndef MILLSTREAM_SERVER_FEED_SUBJECT_H_
#define MILLSTREAM_SERVER_FEED_SUBJECT_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millstream/v1/entities.pb.h"
#include "server/run_feed.h"

namespace millstream::storage {
class TrackingStore;
}

namespace millstream::server {

// Where a stream begins: its subscription, and whether what is stored is sent
// first.
struct FeedStart {
  RunFeed::Subject subject;
  std::unique_ptr<RunFeed::Subscription> subscription;
  bool catches_up = false;
  // A position was given and is not known any more.
  bool restarted = false;
  // All that was stored is sent.
  bool live = false;

  // Completes an answer: what it says about the place it comes from. `stored`:
  // what is stored is being sent; `ahead`: something was read from the
  // subscription and is not in an answer yet. False: the answer is empty and
  // says nothing new.
  template <typename Answer>
  bool Complete(bool empty, bool stored, bool ahead, Answer* answer) {
    if (!stored && !live) {
      live = true;
      answer->set_live(true);
    } else if (empty) {
      return false;
    }
    answer->set_restarted(std::exchange(restarted, false));
    // Until everything that was stored is sent, there is nowhere to go on from
    // but the beginning.
    if (live && !ahead) answer->set_position(subscription->position());
    return true;
  }
};

// INVALID_PARAMETER_VALUE: not exactly one of the ids, or a malformed position;
// RESOURCE_DOES_NOT_EXIST; RESOURCE_EXHAUSTED.
absl::StatusOr<FeedStart> StartFeed(RunFeed* feed,
                                    storage::TrackingStore* store, bool points,
                                    std::string_view run_id,
                                    std::string_view experiment_id,
                                    std::string_view position, bool from_now,
                                    std::function<void()> wake);

// The runs of an experiment, whatever their stage, or the one run. Not
// thread-safe.
class StoredRuns {
 public:
  // The store must outlive it.
  StoredRuns(storage::TrackingStore* store, const RunFeed::Subject& subject);

  // The next run, with all of its data; false: that was the last.
  absl::StatusOr<bool> Next(v1::Run* run);

 private:
  storage::TrackingStore* const store_;
  const RunFeed::Subject subject_;
  std::deque<v1::Run> page_;
  std::string page_token_;
  bool ended_ = false;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_FEED_SUBJECT_H_
