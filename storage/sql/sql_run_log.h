// RunLog on a SQL database and a metric store: one unit of two stores that know
// nothing of each other.
//
// A batch commits at one place:
//   - metrics alone: in the metric store, by one append at the durability asked
//     for. SQL is not touched; the run is looked up in memory. The number of a
//     writer's frame is part of that append.
//   - anything else: in the SQL transaction, which checks and writes params,
//     tags and metrics of logged models, and carries the run's points in a row
//     of metric_outbox. After the commit the points go to the metric store,
//     without a sync of their own, and the answer follows. Rows whose points
//     are there are removed later, after a sync of the metric store.
//
// A crash after            leaves                        at start
//   the SQL commit         the row                       Recover appends its
//   the append             the row, maybe the points     points (again): adding
//   the sync               both                          what is there changes
//                                                        nothing
//   the row's removal      the points                    nothing to do
// Nothing is served before Recover, so no read sees a half.
//
// An append that fails leaves a row too, and the caller an error for a batch
// that is kept. Its points are appended once the metric store takes them;
// until then other batches of this kind are refused before their commit.
//
// In the background, every flush interval: rows that are left are applied,
// applied rows removed and the latest metrics flushed
// (storage/sql/latest_metrics.h).
#ifndef MILLSTREAM_STORAGE_SQL_SQL_RUN_LOG_H_
#define MILLSTREAM_STORAGE_SQL_SQL_RUN_LOG_H_

#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/durability.h"
#include "storage/metric_store.h"
#include "storage/run_log.h"
#include "storage/sql/active_runs.h"
#include "storage/sql/database.h"
#include "storage/sql/latest_metrics.h"
#include "storage/sql/metric_outbox.h"

namespace millstream::storage {

// Thread-safe.
class SqlRunLog final : public RunLog {
 public:
  struct Options {
    // That of an append of metrics alone; the database has its own.
    Durability durability = Durability::kMachine;
    // How far the table latest_metrics runs behind, and how long rows stay in
    // metric_outbox.
    absl::Duration flush_interval = absl::Seconds(1);
    // False: only Maintain does what the background thread would do.
    bool background = true;
  };

  // All must outlive the log. Call Recover before anything else.
  SqlRunLog(sql::Database* database, MetricStore* store, ActiveRuns* runs,
            LatestMetrics* latest, const Options& options);
  // Ends the background thread and flushes.
  ~SqlRunLog() override;

  // Brings both stores to where the last acknowledged batch left them, then
  // starts the background thread. Statuses of both stores.
  absl::Status Recover();

  absl::Status Log(const RunLogBatch& batch) override;
  absl::StatusOr<uint64_t> LastFrame(std::string_view run_id,
                                     std::string_view writer_id) override;

  // What the background thread does every flush interval.
  absl::Status Maintain() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status LogMetrics(const RunLogBatch& batch);
  absl::Status LogThroughOutbox(const RunLogBatch& batch);
  absl::Status ReplayOutbox();
  // Appends the points of a row of the outbox.
  absl::Status Apply(const OutboxRow& row) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status ApplyLeftRows() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status RemoveAppliedRows() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunBackground() ABSL_LOCKS_EXCLUDED(mutex_);

  // Constant after construction.
  sql::Database* const database_;
  MetricStore* const store_;
  ActiveRuns* const runs_;
  LatestMetrics* const latest_;
  const Options options_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Rows of the outbox whose points are in the metric store.
  std::vector<int64_t> applied_rows_ ABSL_GUARDED_BY(mutex_);
  // Rows whose append failed, and how the last did.
  std::set<int64_t> left_rows_ ABSL_GUARDED_BY(mutex_);
  absl::Status left_by_ ABSL_GUARDED_BY(mutex_);
  std::thread background_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_SQL_SQL_RUN_LOG_H_
