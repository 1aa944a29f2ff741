#include "storage/testing/run_log_stores.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "base/status_macros.h"
#include "storage/rocksdb/rocksdb_metric_store.h"
#include "storage/sqlite/sqlite_database.h"

namespace millstream::storage {
namespace {

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace

absl::Status FaultyMetricStore::Append(std::string_view run_id,
                                       absl::Span<const SeriesAppend> series,
                                       const AppendOptions& options) {
  if (fail_appends) return absl::UnavailableError("fault: append");
  RETURN_IF_ERROR(store_->Append(run_id, series, options));
  if (fail_after_appends) return absl::UnavailableError("fault: after append");
  return absl::OkStatus();
}

absl::Status FaultyMetricStore::ReadHistoryFor(
    const Liveness& caller, std::string_view run_id, std::string_view key,
    const MetricPoint* after, size_t limit, std::vector<MetricPoint>* points) {
  return store_->ReadHistoryFor(caller, run_id, key, after, limit, points);
}

absl::Status FaultyMetricStore::SampleFor(const Liveness& caller,
                                          std::string_view run_id,
                                          std::string_view key,
                                          const StepRange& range,
                                          size_t max_points,
                                          std::vector<MetricPoint>* points) {
  return store_->SampleFor(caller, run_id, key, range, max_points, points);
}

absl::Status FaultyMetricStore::ReadLatest(
    std::string_view run_id,
    absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit) {
  return store_->ReadLatest(run_id, visit);
}

absl::Status FaultyMetricStore::Sync() {
  return fail_sync ? absl::UnavailableError("fault: sync") : store_->Sync();
}

absl::StatusOr<uint64_t> FaultyMetricStore::ReadLastFrame(
    std::string_view run_id, std::string_view writer_id) {
  return store_->ReadLastFrame(run_id, writer_id);
}

absl::StatusOr<std::vector<RunMark>> FaultyMetricStore::ListMarks() {
  return store_->ListMarks();
}

absl::Status FaultyMetricStore::RemoveMarks(absl::Span<const RunMark> marks) {
  if (fail_remove_marks) return absl::UnavailableError("fault: marks");
  return store_->RemoveMarks(marks);
}

RunLogForTest::RunLogForTest(const std::string& folder,
                             const Options& options) {
  std::filesystem::create_directories(folder);
  auto database = sqlite::SqliteDatabase::Open(
          folder + "/test.db", {.durability = options.durability});
  Check(database.status());
  database_ = *std::move(database);
  auto store = OpenRocksDbMetricStore(folder + "/metrics");
  Check(store.status());
  store_ = *std::move(store);
  faulty_ = std::make_unique<FaultyMetricStore>(store_.get());
  active_runs_ = std::make_unique<ActiveRuns>(database_.get());
  latest_ = std::make_unique<LatestMetrics>(database_.get(), faulty_.get());
  log_ = std::make_unique<SqlRunLog>(
      database_.get(), faulty_.get(), active_runs_.get(), latest_.get(),
      SqlRunLog::Options{.durability = options.durability,
                         .flush_interval = absl::Milliseconds(5),
                         .background = options.background});
  Check(log_->Recover());
}

RunLogForTest::~RunLogForTest() = default;

void RunLogForTest::AddRun(std::string_view run_id) {
  Check(database_->Write([&](sql::Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(transaction.Execute(
        "INSERT INTO experiments (experiment_id, name, lifecycle_stage, "
        "creation_time, last_update_time) VALUES (0, 'Default', 'active', 0, 0)"
        " ON CONFLICT DO NOTHING"));
    return transaction.Execute(
        "INSERT INTO runs (run_uuid, status, lifecycle_stage, experiment_id) "
        "VALUES (?, 'RUNNING', 'active', 0)",
        run_id);
  }));
}

std::vector<MetricPoint> RunLogForTest::History(std::string_view run_id,
                                                std::string_view key) {
  std::vector<MetricPoint> points;
  Check(store_->ReadHistory(run_id, key, nullptr,
                            std::numeric_limits<size_t>::max(), &points));
  return points;
}

std::map<std::string, MetricPoint> RunLogForTest::Table(
    std::string_view run_id) {
  std::map<std::string, MetricPoint> points;
  Check(database_->Read([&](sql::Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        sql::StatementPtr row,
        connection.Query("SELECT \"key\", \"timestamp\", step, value, is_nan "
                         "FROM latest_metrics WHERE run_uuid = ?",
                         run_id));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, row->Step());
      if (!found) return absl::OkStatus();
      points[std::string(row->Text(0))] = {
          row->Int64(1), row->Int64(2),
          row->Int64(4) != 0 ? std::nan("") : row->Double(3)};
    }
  }));
  return points;
}

std::map<std::string, std::string> RunLogForTest::Params(
    std::string_view run_id) {
  std::map<std::string, std::string> params;
  Check(database_->Read([&](sql::Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        sql::StatementPtr row,
        connection.Query(
            "SELECT \"key\", value FROM params WHERE run_uuid = ?", run_id));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, row->Step());
      if (!found) return absl::OkStatus();
      params[std::string(row->Text(0))] = row->Text(1);
    }
  }));
  return params;
}

int64_t RunLogForTest::OutboxRows() {
  int64_t rows = 0;
  Check(database_->Read([&](sql::Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(sql::StatementPtr row,
                     connection.Query("SELECT count(*) FROM metric_outbox"));
    RETURN_IF_ERROR(row->Step().status());
    rows = row->Int64(0);
    return absl::OkStatus();
  }));
  return rows;
}

}  // namespace millstream::storage
