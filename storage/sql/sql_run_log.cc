#include "storage/sql/sql_run_log.h"

#include <cmath>
#include <utility>

#include "base/log.h"
#include "base/status_macros.h"
#include "storage/sql/bulk_writes.h"
#include "storage/sql/metric_outbox.h"
#include "storage/sql/run_writes.h"

namespace millstream::storage {
namespace {

// Rows of the outbox that a start reads at a time.
constexpr int kReplayRowsMax = 256;

enum class Place { kFree, kSame, kOther };

// What has the place of `metric` already.
absl::StatusOr<Place> FindModelMetric(sql::Transaction& transaction,
                                      std::string_view run_id,
                                      const v1::Metric& metric, double value) {
  ASSIGN_OR_RETURN(
      sql::StatementPtr row,
      transaction.Query(
          "SELECT metric_value, dataset_name, dataset_digest "
          "FROM logged_model_metrics WHERE model_id = ? AND metric_name = ? "
          "AND metric_timestamp_ms = ? AND metric_step = ? AND run_id = ?",
          metric.model_id(), metric.key(), metric.timestamp(), metric.step(),
          run_id));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  if (!found) return Place::kFree;
  return row->Double(0) == value && row->Text(1) == metric.dataset_name() &&
                 row->Text(2) == metric.dataset_digest()
             ? Place::kSame
             : Place::kOther;
}

absl::Status CheckModelExists(sql::Transaction& transaction,
                              std::string_view model_id) {
  ASSIGN_OR_RETURN(
      sql::StatementPtr model,
      transaction.Query("SELECT 1 FROM logged_models WHERE model_id = ?",
                        model_id));
  ASSIGN_OR_RETURN(const bool found, model->Step());
  if (found) return absl::OkStatus();
  return sql::NoModelForMetric(model_id);
}

// Writes one metric of a logged model, deleted or not. The same point again
// changes nothing; as in MLflow, another one of the same time and step is
// refused.
absl::Status WriteModelMetric(sql::Transaction& transaction,
                              const sql::RunRef& run,
                              const v1::Metric& metric) {
  // No number stands for NaN; MLflow keeps 0.
  const double value = std::isnan(metric.value()) ? 0.0 : metric.value();
  RETURN_IF_ERROR(CheckModelExists(transaction, metric.model_id()));
  ASSIGN_OR_RETURN(const Place place,
                   FindModelMetric(transaction, run.run_id, metric, value));
  if (place == Place::kSame) return absl::OkStatus();
  if (place == Place::kOther) return sql::ModelMetricDiffers(metric);
  ASSIGN_OR_RETURN(
      sql::StatementPtr row,
      transaction.Query(
          "INSERT INTO logged_model_metrics (model_id, metric_name, "
          "metric_timestamp_ms, metric_step, run_id, metric_value, "
          "experiment_id, dataset_name, dataset_digest) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
          metric.model_id(), metric.key(), metric.timestamp(), metric.step(),
          run.run_id, value, run.experiment_id));
  if (!metric.dataset_name().empty()) row->Bind(8, metric.dataset_name());
  if (!metric.dataset_digest().empty()) row->Bind(9, metric.dataset_digest());
  return row->Finish();
}

}  // namespace

SqlRunLog::SqlRunLog(sql::Database* database, MetricStore* store,
                     ActiveRuns* runs, LatestMetrics* latest,
                     const Options& options)
    : database_(database),
      store_(store),
      runs_(runs),
      latest_(latest),
      options_(options) {}

SqlRunLog::~SqlRunLog() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (!background_.joinable()) return;
  background_.join();
  absl::Status status = Maintain();
  if (!status.ok()) {
    LogWarning("At the end, latest metrics could not be written; the next "
               "start does it: ", status.ToString());
  }
}

absl::Status SqlRunLog::Recover() {
  RETURN_IF_ERROR(latest_->Recover());
  RETURN_IF_ERROR(ReplayOutbox());
  RETURN_IF_ERROR(Maintain());
  if (options_.background) {
    background_ = std::thread([this] { RunBackground(); });
  }
  return absl::OkStatus();
}

absl::Status SqlRunLog::ReplayOutbox() {
  int64_t last = 0;
  std::vector<OutboxRow> rows;
  do {
    RETURN_IF_ERROR(database_->Read([&](sql::Connection& connection) {
      absl::StatusOr<std::vector<OutboxRow>> read =
          ReadOutboxRows(connection, last, kReplayRowsMax);
      if (read.ok()) rows = *std::move(read);
      return read.status();
    }));
    for (const OutboxRow& row : rows) {
      RETURN_IF_ERROR(Apply(row));
      last = row.sequence;
    }
  } while (rows.size() == kReplayRowsMax);
  return absl::OkStatus();
}

absl::Status SqlRunLog::Apply(const OutboxRow& row) {
  std::vector<SeriesAppend> series;
  for (const OwnedSeries& s : row.series) series.push_back({s.key, s.points});
  LatestMetrics::Append append = latest_->Begin(row.run_id);
  RETURN_IF_ERROR(store_->Append(
      row.run_id, series,
      {.durability = Durability::kProcess, .mark = append.mark()}));
  append.Committed(series);
  absl::MutexLock lock(&mutex_);
  applied_rows_.push_back(row.sequence);
  left_rows_.erase(row.sequence);
  return absl::OkStatus();
}

absl::Status SqlRunLog::ApplyLeftRows() {
  while (true) {
    int64_t next = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (left_rows_.empty()) return absl::OkStatus();
      next = *left_rows_.begin();
    }
    std::vector<OutboxRow> rows;
    RETURN_IF_ERROR(database_->Read([&](sql::Connection& connection) {
      absl::StatusOr<std::vector<OutboxRow>> read =
          ReadOutboxRows(connection, next - 1, 1);
      if (read.ok()) rows = *std::move(read);
      return read.status();
    }));
    if (rows.size() == 1 && rows[0].sequence == next) {
      RETURN_IF_ERROR(Apply(rows[0]));
    } else {  // removed, with its run
      absl::MutexLock lock(&mutex_);
      left_rows_.erase(next);
    }
  }
}

absl::Status SqlRunLog::Log(const RunLogBatch& batch) {
  const bool metrics_alone =
      (batch.params == nullptr || batch.params->empty()) &&
      (batch.tags == nullptr || batch.tags->empty()) &&
      batch.model_metrics.empty();
  if (metrics_alone) return LogMetrics(batch);
  if (batch.frame.number != 0) {
    return absl::InternalError("a frame holds metrics alone");
  }
  return LogThroughOutbox(batch);
}

absl::StatusOr<uint64_t> SqlRunLog::LastFrame(std::string_view run_id,
                                              std::string_view writer_id) {
  RETURN_IF_ERROR(runs_->Check(run_id).status());
  return store_->ReadLastFrame(run_id, writer_id);
}

absl::Status SqlRunLog::LogMetrics(const RunLogBatch& batch) {
  RETURN_IF_ERROR(runs_->Check(batch.run_id).status());
  if (batch.metrics.empty() && batch.frame.number == 0) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(latest_->CheckRoom());
  LatestMetrics::Append append = latest_->Begin(batch.run_id);
  RETURN_IF_ERROR(store_->Append(
      batch.run_id, batch.metrics,
      {.durability = options_.durability,
       .mark = append.mark(),
       .frame = batch.frame}));
  append.Committed(batch.metrics);
  return absl::OkStatus();
}

absl::Status SqlRunLog::LogThroughOutbox(const RunLogBatch& batch) {
  if (!batch.metrics.empty()) {
    absl::MutexLock lock(&mutex_);
    if (!left_rows_.empty()) return left_by_;
  }
  int64_t sequence = 0;
  RETURN_IF_ERROR(database_->Write([&](sql::Transaction& transaction)
                                       -> absl::Status {
    ASSIGN_OR_RETURN(const sql::RunRef run,
                     sql::CheckRunActive(transaction, batch.run_id));
    if (batch.params != nullptr) {
      RETURN_IF_ERROR(sql::WriteParams(transaction, run, *batch.params));
    }
    if (batch.tags != nullptr) {
      RETURN_IF_ERROR(sql::WriteTags(transaction, run, *batch.tags));
    }
    for (const v1::Metric* metric : batch.model_metrics) {
      RETURN_IF_ERROR(WriteModelMetric(transaction, run, *metric));
    }
    if (batch.metrics.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(sequence,
                     AddOutboxRow(transaction, batch.run_id, batch.metrics));
    return absl::OkStatus();
  }));
  if (batch.metrics.empty()) return absl::OkStatus();
  LatestMetrics::Append append = latest_->Begin(batch.run_id);
  absl::Status status = store_->Append(
      batch.run_id, batch.metrics,
      {.durability = Durability::kProcess, .mark = append.mark()});
  if (status.ok()) append.Committed(batch.metrics);
  absl::MutexLock lock(&mutex_);
  if (status.ok()) {
    applied_rows_.push_back(sequence);
  } else {
    left_rows_.insert(sequence);
    left_by_ = status;
  }
  return status;
}

absl::Status SqlRunLog::RemoveAppliedRows() {
  std::vector<int64_t> rows;
  {
    absl::MutexLock lock(&mutex_);
    rows.swap(applied_rows_);
  }
  if (rows.empty()) return absl::OkStatus();
  absl::Status status = store_->Sync();
  if (status.ok()) {
    status = database_->Write([&](sql::Transaction& transaction) {
      return RemoveOutboxRows(transaction, rows);
    });
  }
  if (!status.ok()) {
    absl::MutexLock lock(&mutex_);
    applied_rows_.insert(applied_rows_.end(), rows.begin(), rows.end());
  }
  return status;
}

absl::Status SqlRunLog::Maintain() {
  absl::Status status = ApplyLeftRows();
  status.Update(RemoveAppliedRows());
  status.Update(latest_->Flush());
  return status;
}

void SqlRunLog::RunBackground() {
  bool failed = false;
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_),
                                  options_.flush_interval)) {
    mutex_.Unlock();
    absl::Status status = Maintain();
    if (!status.ok() && !failed) {
      LogWarning("Latest metrics run behind, will be tried again: ",
                 status.ToString());
    }
    failed = !status.ok();
    mutex_.Lock();
  }
}

}  // namespace millstream::storage
