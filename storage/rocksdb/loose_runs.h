// Which runs have loose records (metric_key.h), so that packing finds them,
// after a crash too, without reading everything.
//
// A run is clean if no series of it has two loose points or more that were
// not looked at by packing. Others have a mark in the store, a record
// `00 03 run number`:
//
//   append   1. Begin: noted as in flight. The first append of a clean run gets
//               a mark to write, and so do others until one of them is in the
//               store.
//            2. Points, and the mark, go to the store in one unit.
//            3. End: what was appended is counted, by series.
//   pack     4. Series that have gathered enough are packed one at a time; a
//               run that went quiet is packed as a whole.
//            5. Clean: if no append of a run was in flight or began since it
//               was taken to be packed as a whole, its marks are forgotten here
//               and then removed from the store. Numbers tell marks apart, so
//               the removal never meets the mark of a later append, whichever
//               comes first.
//   start    6. Runs with marks are packed as a whole.
//
// Marks and points that come are in the store's log; what packing writes is not
// (PackingWriteOptions). A crash leaves all of the former, and the latter up to
// some moment, as if packing had stopped then:
//   before 2    nothing                     2 to 4   points and a mark: 6
//   4 to 5      packed points and a mark    after 5  packed points, no mark
// An append that failed counts as one that may have reached the store.
//
// Where the loose records of a series are, is known from one packing to the
// next: so that it need not read past all those that the last one deleted.
//
// Memory: runs that are not clean, and their series that gathered points; those
// beyond kSeriesMax in all are not counted and wait until their run goes quiet.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_LOOSE_RUNS_H_
#define MILLSTREAM_STORAGE_ROCKSDB_LOOSE_RUNS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/packing_options.h"

namespace millstream::storage {

// What an append put into one series.
struct LooseAppend {
  std::string_view key;
  LooseExtent extent;
};

// Thread-safe.
class LooseRuns {
 public:
  static constexpr size_t kSeriesMax = 262'144;

  // `options` outlives this.
  explicit LooseRuns(const PackingOptions& options) : options_(options) {}

  // Step 6, before anything else: the run has this mark in the store.
  void AddMarked(const std::string& run_id, uint64_t mark)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Step 1. Returns the number of the mark to write; 0: none. End follows.
  uint64_t Begin(std::string_view run_id) ABSL_LOCKS_EXCLUDED(mutex_);
  // Step 3. `mark` is what Begin returned.
  void End(std::string_view run_id, uint64_t mark, bool committed,
           absl::Span<const LooseAppend> series, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Something to pack: one series, or a run as a whole.
  struct Work {
    std::string run_id;
    bool whole = false;
    std::string key;        // of one series
    // Where all loose records of the series are, if that is known.
    std::optional<LooseExtent> extent;
    uint64_t appends = 0;  // of a whole run, for Clean
  };
  // The next work that is due: a series that gathered enough, else a run that
  // is quiet since options.quiet before `now`.
  std::optional<Work> Next(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  // When a run comes due for being quiet; InfiniteFuture: there is none.
  absl::Time NextQuiet() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Sleeps until a series is due, Wake is called or the deadline passes.
  void Wait(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

  // A series was packed and so many of its loose points wait: it is due again
  // when half as many have come.
  void Packed(const Work& work, size_t waiting) ABSL_LOCKS_EXCLUDED(mutex_);
  // Where all loose records of the series are whose appends ended, if that is
  // known. A snapshot taken afterwards has no others but of later appends.
  std::optional<LooseExtent> ExtentOf(std::string_view run_id,
                                      std::string_view key) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Step 5, after the whole run was packed. Returns the marks to remove; empty
  // if the run is not clean: it comes due again.
  std::vector<uint64_t> Clean(const Work& work) ABSL_LOCKS_EXCLUDED(mutex_);
  // The work failed: it is due again, as a whole, options.quiet after `now`.
  void Failed(const Work& work, absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs that are not clean, in no particular order.
  std::vector<std::string> RunIds() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Series {
    // What came since it was last packed.
    LooseExtent extent;
    // There was nothing else then.
    bool known = false;
    // Not due with fewer points.
    size_t points_due = 0;
    bool queued = false;
  };
  struct Run {
    int in_flight = 0;
    uint64_t appends = 0;  // that ended
    // A mark is in the store, at least as durable as the points.
    bool marked = false;
    // Marks that were given out and may be in the store.
    std::vector<uint64_t> marks;
    absl::flat_hash_map<std::string, Series> series;
    absl::Time quiet_since;
    // Place in by_time_; unset while the run is being packed as a whole.
    std::optional<std::list<std::string>::iterator> place;
  };
  using Runs = absl::flat_hash_map<std::string, Run>;

  Run& RunOf(std::string_view run_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Puts the run last among those that wait to be quiet.
  void Touch(const std::string& run_id, Run& run, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Count(const std::string& run_id, Run& run, const LooseAppend& append)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const PackingOptions& options_;

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  Runs runs_ ABSL_GUARDED_BY(mutex_);
  size_t series_ ABSL_GUARDED_BY(mutex_) = 0;
  // Ids of runs_, the one that had its last append longest ago first.
  std::list<std::string> by_time_ ABSL_GUARDED_BY(mutex_);
  // Series that have gathered enough: run id and key.
  std::deque<std::pair<std::string, std::string>> due_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_mark_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_LOOSE_RUNS_H_
