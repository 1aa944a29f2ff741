// RunLog on a database that holds everything that runs log (Schema::kMlflow):
// metrics, latest metrics, params, tags and metrics of logged models of a batch
// are one transaction. Nothing is remembered between batches, so any number of
// servers may write to one database.
//
// Batches that wait for each other are written together: see Options.lanes.
//
// Whether the run is active is asked in the transaction. A run that is deleted
// at the same moment may still get a batch that was checked just before.
#ifndef MILLSTREAM_STORAGE_SQL_TABLE_RUN_LOG_H_
#define MILLSTREAM_STORAGE_SQL_TABLE_RUN_LOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "storage/group_committer.h"
#include "storage/run_log.h"
#include "storage/sql/database.h"
#include "storage/sql/writer_frames.h"

namespace millstream::storage {

// Thread-safe.
class TableRunLog final : public RunLog {
 public:
  struct Options {
    // Transactions that write batches at a time. Batches of one run go to one
    // lane; those that come while the lane is busy become its next transaction
    // together, which costs one round of statements and one commit. 0: each
    // batch is a transaction of its own, for a database that groups its writers
    // itself.
    int lanes = 0;
  };

  // The database must outlive the log.
  TableRunLog(sql::Database* database, const Options& options);

  absl::Status Log(const RunLogBatch& batch) override;
  absl::StatusOr<uint64_t> LastFrame(std::string_view run_id,
                                     std::string_view writer_id) override;

 private:
  using Committer = GroupCommitter<const RunLogBatch>;

  static constexpr size_t kHeldUpMax = 1024;

  absl::Status CommitGroup(absl::Span<Committer::Item* const> group);
  // Outside of the lanes.
  absl::Status LogAlone(const RunLogBatch& batch);
  bool IsHeldUpRun(std::string_view run_id) const;
  void NoteHeldUp(std::string_view run_id, bool is_held_up);

  sql::Database* const database_;
  sql::WriterFrames frames_;
  std::vector<std::unique_ptr<Committer>> lanes_;

  // Runs whose rows somebody else's transaction holds, as far as is known:
  // theirs are not lanes' batches, or all others would wait for them.
  mutable absl::Mutex mutex_;
  absl::flat_hash_set<std::string> held_up_ ABSL_GUARDED_BY(mutex_);
  // How many they are, for the many calls of which none is.
  std::atomic<size_t> held_up_count_{0};
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_SQL_TABLE_RUN_LOG_H_
