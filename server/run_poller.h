// What no announcement tells of, because another process does it in a database
// that several use: runs that somebody watches are looked at again and again,
// and compared with what they were.
//
// While nobody watches it does nothing. Otherwise it goes around the runs of
// each subject that is watched, at most once in Limits::interval. Each gets a
// slice of runs in turn, so that a small one does not wait for a large one; and
// all together no more than Limits::runs_per_second, so that a large experiment
// costs the database no more than a small one, and takes longer.
//
// Who begins to watch has a subject looked at first, by Begin(), and reads the
// stores then; so what the poller knows is never newer than what its watchers
// have read, and it tells of nothing but what has changed since. A subject or a
// run that it meets unprepared is told of whole. Changes that this server has
// announced already are announced once more: watchers get the same state twice,
// but never an old one for good.
//
// Points have no order of arrival in such a database. That a series has new
// ones is seen by its latest point, or with any change of the run itself: then
// it is read from the latest point that was known on, and from somewhat before
// it, for the clocks of those who log differ.
#ifndef MILLSTREAM_SERVER_RUN_POLLER_H_
#define MILLSTREAM_SERVER_RUN_POLLER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "base/liveness.h"
#include "millstream/v1/entities.pb.h"
#include "server/run_feed.h"
#include "storage/metric_point.h"

namespace millstream::storage {
class MetricStore;
class TrackingStore;
}  // namespace millstream::storage

namespace millstream::server {

class StoredRuns;

// Thread-safe.
class RunPoller final : private Liveness {
 public:
  struct Limits {
    absl::Duration interval = absl::Milliseconds(limits::kFeedPollMs);
    size_t runs_per_second = limits::kFeedPollRunsPerSecond;
    size_t slice_runs = limits::kFeedPollSliceRuns;
    // Of one subject, and series of all; more of them are not compared.
    size_t runs = limits::kFeedTopicRunsMax;
    size_t series = limits::kFeedPollSeriesMax;
    absl::Duration clocks = absl::Milliseconds(limits::kFeedPollClocksMs);
  };

  // All must outlive it.
  RunPoller(storage::TrackingStore* store, storage::MetricStore* points,
            RunFeed* feed, const Limits& limits);
  ~RunPoller() override;

  // Polls in a thread of its own from now on. Called once.
  void Start();
  // Ends that, and each Begin() that is under way. Does not wait for it.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // Looks at all runs of a subject to which somebody has just subscribed,
  // unless it knows them. A status of the stores; CANCELLED after Stop.
  absl::Status Begin(const RunFeed::Subject& subject)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Looks at a slice of each subject whose turn it is. REQUIRES: not started. A
  // status of the stores.
  absl::Status Poll() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr int kParts = 5;
  // Hashes of a run's parts, in the order of RunParts.
  using Print = std::array<size_t, kParts>;
  // What is known of a run: of who watches points, its info alone and the
  // latest point of each series, by the hash of its key.
  struct Seen {
    Print print{};
    absl::flat_hash_map<size_t, storage::MetricPoint> latest;
  };
  struct Watched {
    explicit Watched(RunFeed::Subject subject);
    ~Watched();
    const RunFeed::Subject subject;
    absl::flat_hash_map<std::string, Seen> runs;
    // When it was looked at from the beginning; where that is; null: at the
    // end.
    absl::Time begun = absl::InfinitePast();
    std::unique_ptr<StoredRuns> pass;
  };

  static std::string NameOf(const RunFeed::Subject& subject);
  static Print PrintOf(const v1::Run& run);
  absl::Status Alive() const override ABSL_LOCKS_EXCLUDED(mutex_);
  std::unique_ptr<StoredRuns> NewPass(const RunFeed::Subject& subject);
  // False: the last is not long enough ago.
  bool BeginPass(Watched* watched);
  absl::Status TakeSlice(Watched* watched);
  // Looks at the next run of watched->pass, and tells of it; false: there is
  // none.
  absl::StatusOr<bool> LookAtNext(bool tell, Watched* watched);
  void LookAtParts(const v1::Run& run, bool is_new, bool tell, Seen* seen);
  absl::Status LookAtPoints(const v1::RunInfo& info, bool tell,
                            const RunFeed::Subject& subject, Seen* seen);
  // Those who are watched, in turn; forgets the others.
  std::vector<Watched*> Turns() ABSL_LOCKS_EXCLUDED(mutex_);
  // False: it is to stop.
  bool Sleep(absl::Duration duration) const ABSL_LOCKS_EXCLUDED(mutex_);
  void Run();

  storage::TrackingStore* const store_;
  storage::MetricStore* const points_;
  RunFeed* const feed_;
  const Limits limits_;
  // Series that are known, of all runs.
  std::atomic<size_t> series_ = 0;
  // The polling thread's: runs that it has looked at, and whether a pass is
  // under way.
  size_t looked_ = 0;
  bool under_way_ = false;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // By name. What is in it is the polling thread's, who alone takes it out.
  absl::flat_hash_map<std::string, std::unique_ptr<Watched>> watched_
      ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_RUN_POLLER_H_
