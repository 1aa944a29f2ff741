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
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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

  absl::Status CommitGroup(absl::Span<Committer::Item* const> group);

  sql::Database* const database_;
  sql::WriterFrames frames_;
  std::vector<std::unique_ptr<Committer>> lanes_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_SQL_TABLE_RUN_LOG_H_
