// Packs the series of a store in the background (series_packer.h), when
// loose_runs.h says so, and all runs of a store that an older version wrote.
//
// One thread of low priority, which takes a bounded number of points at a time
// and stops between two of these. What fails is tried again when its run has
// been quiet for as long again; the first failure in a row is logged.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_PACKER_H_
#define MILLSTREAM_STORAGE_ROCKSDB_PACKER_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "storage/rocksdb/loose_runs.h"
#include "storage/rocksdb/packing_options.h"

namespace rocksdb {
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace millstream::storage {

// The key of the mark that a run may have loose records (loose_runs.h).
std::string LooseMarkKey(std::string_view run_id, uint64_t number);

// Begins the packing of all runs, in the background: for a store whose appends
// left no marks. In one batch with what else makes that necessary.
void RequestFullPacking(rocksdb::WriteBatch* batch);

// Thread-safe.
class Packer {
 public:
  // All outlive this.
  Packer(rocksdb::DB* db, const PackingOptions& options, LooseRuns* runs)
      : db_(db), options_(options), runs_(runs) {}
  // Stops.
  ~Packer();

  // Reads which runs have marks. Called once, before appends and Start.
  absl::Status Recover();
  void Start();
  void Stop();

  // Does what the background does when it is its turn: packs what is due.
  // REQUIRES: not started. Statuses of MetricStore.
  absl::Status PackDue() ABSL_LOCKS_EXCLUDED(mutex_);

  // Packs everything that is loose, now. Statuses of MetricStore.
  absl::Status PackAll() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();
  // The next run of a full packing that is under way, if any.
  absl::StatusOr<bool> PackNextRun() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Do(const LooseRuns::Work& work) ABSL_LOCKS_EXCLUDED(mutex_);
  // Packs a series until nothing is left to do; returns the points that wait.
  absl::StatusOr<size_t> PackSeries(const std::string& prefix, bool force,
                                    const LooseExtent* extent)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Packs all series whose keys begin so: those of a run, or all.
  absl::Status PackRuns(const std::string& begin)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has RocksDB drop deleted records if there are many.
  void DropDeleted() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status RemoveMarks(std::string_view run_id,
                           absl::Span<const uint64_t> marks);
  bool Stopping() const { return stopping_.load(std::memory_order_relaxed); }

  rocksdb::DB* const db_;
  const PackingOptions& options_;
  LooseRuns* const runs_;

  std::atomic<bool> stopping_ = false;
  std::thread thread_;

  // Held by whoever packs: series are packed one at a time.
  absl::Mutex mutex_;
  // Loose records deleted since DropDeleted did something.
  size_t deleted_ ABSL_GUARDED_BY(mutex_) = 0;
  // Set while a full packing is under way.
  bool full_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_PACKER_H_
