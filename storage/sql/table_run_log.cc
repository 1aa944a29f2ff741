#include "storage/sql/table_run_log.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "base/status_macros.h"
#include "storage/sql/bulk_writes.h"
#include "storage/sql/experiment_rows.h"
#include "storage/sql/held_up.h"
#include "storage/sql/in_list.h"
#include "storage/sql/run_writes.h"

namespace millstream::storage {
namespace {

using sql::Transaction;

// What several batches write, by kind.
struct Writes {
  std::vector<sql::RunSeries> series;
  std::vector<sql::RunValue> params;
  std::vector<sql::RunValue> tags;
  std::vector<sql::RunModelMetric> model_metrics;
};

using Runs = absl::flat_hash_map<std::string_view, sql::RunRef>;

// The runs of all batches, by their ids. The error of one that is not active.
absl::StatusOr<Runs> CheckRunsActive(
    sql::Connection& connection, absl::Span<const RunLogBatch* const> batches) {
  Runs runs;
  for (const RunLogBatch* batch : batches) {
    runs[batch->run_id].run_id = batch->run_id;
  }
  if (runs.size() == 1) {
    ASSIGN_OR_RETURN(runs.begin()->second,
                     sql::CheckRunActive(connection, batches[0]->run_id));
    return runs;
  }
  std::vector<std::string_view> ids;
  for (const auto& [id, run] : runs) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  size_t active = 0;
  RETURN_IF_ERROR(sql::ForEachRowIn(
      connection, "SELECT run_uuid, experiment_id FROM runs WHERE run_uuid",
      ids, " AND lifecycle_stage = ?",
      [&](const sql::Statement& row) {
        const auto run = runs.find(row.Text(0));
        if (run == runs.end()) return;
        run->second.experiment_id = row.Int64(1);
        ++active;
      },
      sql::kStageActive));
  if (active == runs.size()) return runs;
  for (std::string_view id : ids) {
    RETURN_IF_ERROR(sql::CheckRunActive(connection, id).status());
  }
  return absl::InternalError("a run has two rows, or its id another case");
}

void Collect(const RunLogBatch& batch, const sql::RunRef& run,
             Writes* writes) {
  for (const SeriesAppend& series : batch.metrics) {
    writes->series.push_back({.run_id = run.run_id, .series = series});
  }
  if (batch.params != nullptr) {
    for (const v1::Param& param : *batch.params) {
      writes->params.push_back({.run_id = run.run_id,
                                .key = param.key(),
                                .value = param.value()});
    }
  }
  for (const v1::Metric* metric : batch.model_metrics) {
    writes->model_metrics.push_back({.run_id = run.run_id,
                                     .experiment_id = run.experiment_id,
                                     .metric = metric});
  }
}

// Tags are rows but for the run's name, which is the run's as well.
absl::Status CollectTags(Transaction& transaction, const RunLogBatch& batch,
                         const sql::RunRef& run, Writes* writes) {
  if (batch.tags == nullptr) return absl::OkStatus();
  for (const v1::RunTag& tag : *batch.tags) {
    if (tag.key() == sql::kRunNameTag) {
      RETURN_IF_ERROR(
          sql::WriteTag(transaction, run, tag.key(), tag.value()));
    } else {
      writes->tags.push_back(
          {.run_id = run.run_id, .key = tag.key(), .value = tag.value()});
    }
  }
  return absl::OkStatus();
}

// Series of one key from several batches become one, or the key's latest point
// would be written twice by one statement.
class SeriesMerger {
 public:
  explicit SeriesMerger(std::vector<sql::RunSeries>* series) {
    std::stable_sort(series->begin(), series->end(), IsBefore);
    for (auto begin = series->begin(); begin != series->end();) {
      auto end = std::find_if(begin, series->end(), [&](const auto& other) {
        return IsBefore(*begin, other);
      });
      sql::RunSeries one = *begin;
      if (end - begin > 1) one.series.points = Merge({begin, end});
      merged_.push_back(one);
      begin = end;
    }
  }
  absl::Span<const sql::RunSeries> merged() const { return merged_; }

 private:
  static bool IsBefore(const sql::RunSeries& a, const sql::RunSeries& b) {
    return std::tie(a.run_id, a.series.key) < std::tie(b.run_id, b.series.key);
  }
  absl::Span<const MetricPoint> Merge(std::vector<sql::RunSeries> parts) {
    auto points = std::make_unique<std::vector<MetricPoint>>();
    for (const sql::RunSeries& part : parts) {
      points->insert(points->end(), part.series.points.begin(),
                     part.series.points.end());
    }
    points_.push_back(std::move(points));
    return *points_.back();
  }

  std::vector<sql::RunSeries> merged_;
  std::vector<std::unique_ptr<std::vector<MetricPoint>>> points_;
};

absl::Status Write(Transaction& transaction,
                   absl::Span<const RunLogBatch* const> batches) {
  ASSIGN_OR_RETURN(const Runs runs, CheckRunsActive(transaction, batches));
  Writes writes;
  for (const RunLogBatch* batch : batches) {
    const sql::RunRef& run = runs.at(batch->run_id);
    Collect(*batch, run, &writes);
    RETURN_IF_ERROR(CollectTags(transaction, *batch, run, &writes));
  }
  if (batches.size() == 1) {
    RETURN_IF_ERROR(sql::AddPoints(transaction, writes.series));
  } else {
    const SeriesMerger merger(&writes.series);
    RETURN_IF_ERROR(sql::AddPoints(transaction, merger.merged()));
  }
  RETURN_IF_ERROR(sql::AddParams(transaction, writes.params));
  RETURN_IF_ERROR(sql::PutTags(transaction, writes.tags));
  RETURN_IF_ERROR(sql::AddModelMetrics(transaction, writes.model_metrics));
  for (const RunLogBatch* batch : batches) {
    if (batch->frame.number == 0) continue;
    RETURN_IF_ERROR(sql::WriterFrames::Write(transaction, batch->run_id,
                                             batch->frame));
  }
  return absl::OkStatus();
}

absl::Status WriteTo(sql::Database* database,
                     absl::Span<const RunLogBatch* const> batches) {
  return database->Write([&](Transaction& transaction) {
    return Write(transaction, batches);
  });
}

}  // namespace

TableRunLog::TableRunLog(sql::Database* database, const Options& options)
    : database_(database), frames_(database) {
  for (int i = 0; i < options.lanes; ++i) {
    lanes_.push_back(std::make_unique<Committer>(
        [this](absl::Span<Committer::Item* const> group) {
          return CommitGroup(group);
        }));
  }
}

absl::Status TableRunLog::Log(const RunLogBatch& batch) {
  if (batch.frame.number != 0) RETURN_IF_ERROR(frames_.Prepare());
  if (lanes_.empty() || IsHeldUpRun(batch.run_id)) return LogAlone(batch);
  const size_t lane = absl::HashOf(batch.run_id) % lanes_.size();
  const absl::Status status = lanes_[lane]->Commit(batch);
  // Nobody knows whose run it is, and the lane goes on without them.
  return sql::IsHeldUp(status) ? LogAlone(batch) : status;
}

absl::Status TableRunLog::LogAlone(const RunLogBatch& batch) {
  const RunLogBatch* const alone = &batch;
  const absl::Status status = WriteTo(database_, {&alone, 1});
  if (!lanes_.empty()) NoteHeldUp(batch.run_id, sql::IsHeldUp(status));
  return status;
}

bool TableRunLog::IsHeldUpRun(std::string_view run_id) const {
  if (held_up_count_.load(std::memory_order_acquire) == 0) return false;
  absl::MutexLock lock(&mutex_);
  return held_up_.contains(std::string(run_id));
}

void TableRunLog::NoteHeldUp(std::string_view run_id, bool is_held_up) {
  absl::MutexLock lock(&mutex_);
  if (!is_held_up) {
    held_up_.erase(std::string(run_id));
  } else {
    // Forgotten runs cost their lane another wait.
    if (held_up_.size() >= kHeldUpMax) held_up_.clear();
    held_up_.emplace(run_id);
  }
  held_up_count_.store(held_up_.size(), std::memory_order_release);
}

absl::Status TableRunLog::CommitGroup(
    absl::Span<Committer::Item* const> group) {
  std::vector<const RunLogBatch*> batches;
  for (Committer::Item* item : group) batches.push_back(item->work);
  const absl::Status together = WriteTo(database_, batches);
  // One that cannot be written fails all: each is told for itself then. Not so
  // if the database cannot be reached, which would be waited for again and
  // again.
  const auto is_for_all = [](const absl::Status& status) {
    return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
           absl::IsDeadlineExceeded(status);
  };
  absl::Status last = together;
  for (size_t i = 0; i < group.size(); ++i) {
    if (group.size() > 1 && !together.ok() && !is_for_all(last)) {
      last = WriteTo(database_, {&batches[i], 1});
    }
    group[i]->status = last;
  }
  // The database tells of each transaction what became of it.
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> TableRunLog::LastFrame(std::string_view run_id,
                                                std::string_view writer_id) {
  RETURN_IF_ERROR(database_->Read([&](sql::Connection& connection) {
    return sql::CheckRunActive(connection, run_id).status();
  }));
  return frames_.Read(run_id, writer_id);
}

}  // namespace millstream::storage
