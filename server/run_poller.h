// Changes of runs that no announcement tells of, because another process makes
// them in a database that several use: those runs that somebody watches are
// read again and again and compared with what they were.
//
// While nobody watches it does nothing. Otherwise it goes around all watched
// runs, at most once in Limits::interval, and not faster than
// Limits::runs_per_second, so that a large experiment costs the database no
// more than a small one, and takes longer. Runs that it meets for the first
// time are announced too, for they may have changed since their watchers read
// them; and so are, once more, changes that this server has announced already:
// watchers get the same state twice, but never an old one for good.
#ifndef MILLSTREAM_SERVER_RUN_POLLER_H_
#define MILLSTREAM_SERVER_RUN_POLLER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "base/liveness.h"
#include "millstream/v1/entities.pb.h"
#include "server/run_feed.h"

namespace millstream::storage {
class TrackingStore;
}

namespace millstream::server {

// Thread-safe.
class RunPoller final : private Liveness {
 public:
  struct Limits {
    absl::Duration interval = absl::Milliseconds(limits::kFeedPollMs);
    size_t runs_per_second = limits::kFeedPollRunsPerSecond;
    // Of one experiment; more of them are not compared.
    size_t runs = limits::kFeedTopicRunsMax;
  };

  // Both must outlive it.
  RunPoller(storage::TrackingStore* store, RunFeed* feed, const Limits& limits)
      : store_(store), feed_(feed), limits_(limits) {}
  ~RunPoller() override;

  // Polls in a thread of its own from now on. Called once.
  void Start();

  // Goes around once. REQUIRES: not started. A status of the store.
  absl::Status Poll();

 private:
  static constexpr int kParts = 5;
  // Hashes of a run's parts, in the order of RunParts.
  using Print = std::array<size_t, kParts>;
  using Prints = absl::flat_hash_map<std::string, Print>;

  static Print PrintOf(const v1::Run& run);
  absl::Status Alive() const override;
  absl::Status PollSubject(const RunFeed::Subject& subject, Prints* prints);
  // False: it is to stop.
  bool Sleep(absl::Duration duration) const ABSL_LOCKS_EXCLUDED(mutex_);
  void Run();

  storage::TrackingStore* const store_;
  RunFeed* const feed_;
  const Limits limits_;
  // The polling thread's: by subject, as "e" or "r" and its id.
  absl::flat_hash_map<std::string, Prints> known_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_RUN_POLLER_H_
