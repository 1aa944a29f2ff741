// A run log on real stores in a folder of its own, for tests that stop and go
// on as a server does.
#ifndef MILLSTREAM_STORAGE_TESTING_RUN_LOG_STORES_H_
#define MILLSTREAM_STORAGE_TESTING_RUN_LOG_STORES_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/durability.h"
#include "storage/metric_store.h"
#include "storage/sql/active_runs.h"
#include "storage/sql/database.h"
#include "storage/sql/latest_metrics.h"
#include "storage/sql/sql_run_log.h"

namespace millstream::storage {

// A metric store that fails where it is told to. Forwards everything else.
class FaultyMetricStore final : public MetricStore {
 public:
  explicit FaultyMetricStore(MetricStore* store) : store_(store) {}

  bool fail_appends = false;
  // Appends reach the store and fail all the same.
  bool fail_after_appends = false;
  bool fail_sync = false;
  bool fail_remove_marks = false;

  absl::Status Append(std::string_view run_id,
                      absl::Span<const SeriesAppend> series,
                      const AppendOptions& options) override;
  absl::Status ReadHistoryFor(const Liveness& caller, std::string_view run_id,
                              std::string_view key, const MetricPoint* after,
                              size_t limit,
                              std::vector<MetricPoint>* points) override;
  absl::Status SampleFor(const Liveness& caller, std::string_view run_id,
                         std::string_view key, const StepRange& range,
                         size_t max_points,
                         std::vector<MetricPoint>* points) override;
  absl::Status ReadLatest(
      std::string_view run_id,
      absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit)
      override;
  absl::Status Sync() override;
  absl::StatusOr<uint64_t> ReadLastFrame(std::string_view run_id,
                                         std::string_view writer_id) override;
  absl::StatusOr<std::vector<RunMark>> ListMarks() override;
  absl::Status RemoveMarks(absl::Span<const RunMark> marks) override;

 private:
  MetricStore* const store_;
};

// Not thread-safe itself; what it hands out is.
class RunLogForTest {
 public:
  struct Options {
    // False: nothing is flushed at the end either, and the destructor is a
    // crash as far as the stores can tell.
    bool background = true;
    Durability durability = Durability::kMachine;
  };

  // Opens the stores in `folder` and recovers. Aborts if that fails.
  RunLogForTest(const std::string& folder, const Options& options);
  ~RunLogForTest();

  // Makes an active run in the experiment 0.
  void AddRun(std::string_view run_id);

  // Points in history order; the table's row, overlaid or not.
  std::vector<MetricPoint> History(std::string_view run_id,
                                   std::string_view key);
  std::map<std::string, MetricPoint> Table(std::string_view run_id);
  std::map<std::string, std::string> Params(std::string_view run_id);
  int64_t OutboxRows();

  sql::Database& database() { return *database_; }
  FaultyMetricStore& store() { return *faulty_; }
  ActiveRuns& active_runs() { return *active_runs_; }
  LatestMetrics& latest() { return *latest_; }
  SqlRunLog& log() { return *log_; }

 private:
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<MetricStore> store_;
  std::unique_ptr<FaultyMetricStore> faulty_;
  std::unique_ptr<ActiveRuns> active_runs_;
  std::unique_ptr<LatestMetrics> latest_;
  std::unique_ptr<SqlRunLog> log_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_TESTING_RUN_LOG_STORES_H_
