#include "storage/sql/latest_metrics.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage {
namespace {

// Points that are projected in one transaction, about: other writers wait for
// no longer than these take.
constexpr size_t kProjectPointsMax = 4096;

// Runs in doubt that one flush settles: readers may wait for it.
constexpr size_t kSettleRunsMax = 64;

constexpr std::string_view kRunSql =
    "SELECT experiment_id, start_time FROM runs WHERE run_uuid = ?";

// Moves a row forward, or makes it. One row of VALUES: an INSERT from a SELECT
// may write several, so SQLite would open and close a journal of its own for
// each, which costs the more the more the transaction has written.
constexpr std::string_view kProjectSql =
    "INSERT INTO latest_metrics "
    "(run_uuid, \"key\", value, \"timestamp\", step, is_nan, experiment_id, "
    "start_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (run_uuid, \"key\") DO UPDATE SET "
    "value = excluded.value, \"timestamp\" = excluded.\"timestamp\", "
    "step = excluded.step, is_nan = excluded.is_nan "
    "WHERE (excluded.step, excluded.\"timestamp\", excluded.value, "
    "excluded.is_nan) > (latest_metrics.step, latest_metrics.\"timestamp\", "
    "latest_metrics.value, latest_metrics.is_nan)";

using RunPoints = std::pair<std::string, LatestMetrics::Points>;

absl::Status Project(sql::Transaction& transaction,
                     absl::Span<const RunPoints> runs) {
  ASSIGN_OR_RETURN(sql::StatementPtr statement,
                   transaction.Prepare(kProjectSql));
  ASSIGN_OR_RETURN(sql::StatementPtr run, transaction.Prepare(kRunSql));
  for (const auto& [run_id, points] : runs) {
    run->Rewind();
    run->BindAll(run_id);
    ASSIGN_OR_RETURN(const bool exists, run->Step());
    if (!exists) continue;
    const int64_t experiment_id = run->Int64(0);
    std::optional<int64_t> start_time;
    if (!run->IsNull(1)) start_time = run->Int64(1);
    for (const auto& [key, point] : points) {
      const bool is_nan = std::isnan(point.value);
      statement->Rewind();
      statement->BindAll(run_id, key, is_nan ? 0.0 : point.value,
                         point.timestamp_ms, point.step, is_nan, experiment_id,
                         start_time);
      RETURN_IF_ERROR(statement->Finish());
    }
  }
  return absl::OkStatus();
}

// Keeps the greater of `point` and the key's; true if the key is new.
bool Raise(const MetricPoint& point, std::string_view key,
           LatestMetrics::Points* points) {
  auto found = points->find(AbslView(key));
  if (found == points->end()) {
    points->emplace(key, point);
    return true;
  }
  if (StepLess(found->second, point)) found->second = point;
  return false;
}

}  // namespace

LatestMetrics::LatestMetrics(sql::Database* database, MetricStore* store)
    : database_(database), store_(store) {}

absl::Status LatestMetrics::Recover() {
  absl::MutexLock flush_lock(&flush_mutex_);
  ASSIGN_OR_RETURN(const std::vector<RunMark> marks, store_->ListMarks());
  uint64_t greatest = 0;
  absl::flat_hash_set<std::string> run_ids;
  for (const RunMark& mark : marks) {
    greatest = std::max(greatest, mark.number);
    run_ids.insert(mark.run_id);
  }
  std::vector<RunPoints> runs;
  size_t points = 0;
  auto project = [&]() -> absl::Status {
    if (runs.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(database_->Write([&](sql::Transaction& transaction) {
      return Project(transaction, runs);
    }));
    runs.clear();
    points = 0;
    return absl::OkStatus();
  };
  for (const std::string& run_id : run_ids) {
    Points& latest = runs.emplace_back(run_id, Points()).second;
    RETURN_IF_ERROR(store_->ReadLatest(
        run_id, [&](std::string_view key, const MetricPoint& point) {
          latest.emplace(key, point);
        }));
    points += latest.size();
    if (points >= kProjectPointsMax) RETURN_IF_ERROR(project());
  }
  RETURN_IF_ERROR(project());
  if (!marks.empty()) RETURN_IF_ERROR(database_->Sync());
  RETURN_IF_ERROR(store_->RemoveMarks(marks));
  absl::MutexLock lock(&mutex_);
  next_mark_ = greatest + 1;
  return absl::OkStatus();
}

LatestMetrics::Append::Append(LatestMetrics* owner, std::string_view run_id,
                              uint64_t mark)
    : owner_(owner), run_id_(run_id), mark_(mark) {}

LatestMetrics::Append::Append(Append&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      run_id_(other.run_id_),
      mark_(other.mark_) {}

LatestMetrics::Append::~Append() {
  if (owner_ != nullptr) owner_->FinishAppend(run_id_, mark_, false, {});
}

void LatestMetrics::Append::Committed(absl::Span<const SeriesAppend> series) {
  std::exchange(owner_, nullptr)->FinishAppend(run_id_, mark_, true, series);
}

LatestMetrics::Append LatestMetrics::Begin(std::string_view run_id) {
  uint64_t mark = 0;
  {
    absl::MutexLock lock(&mutex_);
    auto found = runs_.find(AbslView(run_id));
    Run& run = found != runs_.end() ? found->second
                                    : runs_[std::string(run_id)];
    ++run.in_flight;
    if (run.mark == 0) run.mark = next_mark_++;
    if (!run.marked) mark = run.mark;
  }
  return Append(this, run_id, mark);
}

absl::Status LatestMetrics::CheckRoom() const {
  absl::MutexLock lock(&mutex_);
  return candidates_ > kCandidatesMax ? flushed_ : absl::OkStatus();
}

void LatestMetrics::FinishAppend(std::string_view run_id, uint64_t mark,
                                 bool committed,
                                 absl::Span<const SeriesAppend> series) {
  // The greatest point of each series, found outside of the lock.
  std::vector<MetricPoint> greatest;
  for (const SeriesAppend& s : series) {
    greatest.push_back(s.points.empty()
                           ? MetricPoint()
                           : *std::max_element(s.points.begin(), s.points.end(),
                                               StepLess));
  }
  bool too_many = false;
  {
    absl::MutexLock lock(&mutex_);
    Run& run = runs_.find(AbslView(run_id))->second;
    --run.in_flight;
    if (committed) {
      if (mark != 0) run.marked = true;
      for (size_t i = 0; i < series.size(); ++i) {
        if (series[i].points.empty()) continue;
        candidates_ += Raise(greatest[i], series[i].key, &run.candidates);
      }
      too_many = candidates_ > kCandidatesMax;
    } else if (!run.in_doubt) {
      run.in_doubt = true;
      ++doubts_;
    }
  }
  // The points are durable; a flush that fails is the next one's to repeat.
  if (too_many) Flush().IgnoreError();
}

LatestMetrics::Points LatestMetrics::Candidates(
    std::string_view run_id) const {
  absl::MutexLock lock(&mutex_);
  auto found = runs_.find(AbslView(run_id));
  if (found == runs_.end()) return {};
  Points points = found->second.flushing;
  for (const auto& [key, point] : found->second.candidates) {
    Raise(point, key, &points);
  }
  return points;
}

void LatestMetrics::Overlay(
    const Points& candidates,
    google::protobuf::RepeatedPtrField<v1::Metric>* metrics) {
  if (candidates.empty()) return;
  auto set = [](const MetricPoint& point, v1::Metric* metric) {
    metric->set_value(point.value);
    metric->set_timestamp(point.timestamp_ms);
    metric->set_step(point.step);
  };
  size_t found = 0;
  for (v1::Metric& metric : *metrics) {
    auto candidate = candidates.find(metric.key());
    if (candidate == candidates.end()) continue;
    ++found;
    const MetricPoint shown{metric.timestamp(), metric.step(), metric.value()};
    if (StepLess(shown, candidate->second)) set(candidate->second, &metric);
  }
  if (found == candidates.size()) return;
  absl::flat_hash_set<std::string> keys;
  for (const v1::Metric& metric : *metrics) keys.insert(metric.key());
  for (const auto& [key, point] : candidates) {
    if (keys.contains(key)) continue;
    v1::Metric* metric = metrics->Add();
    metric->set_key(key);
    set(point, metric);
  }
  std::sort(metrics->pointer_begin(), metrics->pointer_end(),
            [](const v1::Metric* a, const v1::Metric* b) {
              return a->key() < b->key();
            });
}

void LatestMetrics::SettleDoubts() {
  std::vector<RunMark> runs;
  {
    absl::MutexLock lock(&mutex_);
    if (doubts_ == 0) return;
    for (const auto& [run_id, run] : runs_) {
      if (!run.in_doubt) continue;
      runs.push_back({run_id, run.mark});
      if (runs.size() == kSettleRunsMax) break;
    }
  }
  auto set_in_doubt = [&](const std::string& run_id, bool in_doubt) {
    absl::MutexLock lock(&mutex_);
    Run& run = runs_.find(run_id)->second;
    if (run.in_doubt == in_doubt) return;
    run.in_doubt = in_doubt;
    in_doubt ? ++doubts_ : --doubts_;
  };
  for (const RunMark& mark : runs) {
    // First, so that one that fails meanwhile brings the doubt back.
    set_in_doubt(mark.run_id, false);
    Points latest;
    absl::Status status = store_->Append(
        mark.run_id, {},
        {.durability = Durability::kProcess, .mark = mark.number});
    if (status.ok()) {
      status = store_->ReadLatest(
          mark.run_id, [&](std::string_view key, const MetricPoint& point) {
            latest.emplace(key, point);
          });
    }
    if (!status.ok()) return set_in_doubt(mark.run_id, true);
    absl::MutexLock lock(&mutex_);
    Run& run = runs_.find(mark.run_id)->second;
    for (const auto& [key, point] : latest) {
      candidates_ += Raise(point, key, &run.candidates);
    }
  }
}

std::vector<RunPoints> LatestMetrics::TakeCandidates() {
  absl::MutexLock lock(&mutex_);
  std::vector<RunPoints> runs;
  for (auto& [run_id, run] : runs_) {
    if (run.candidates.empty()) continue;
    run.flushing = std::exchange(run.candidates, {});
    runs.emplace_back(run_id, run.flushing);
  }
  candidates_ = 0;
  return runs;
}

std::vector<RunMark> LatestMetrics::EndFlush(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  flushed_ = status;
  std::vector<RunMark> clean;
  absl::erase_if(runs_, [&](auto& entry) {
    mutex_.AssertHeld();
    auto& [run_id, run] = entry;
    if (!status.ok()) {
      for (const auto& [key, point] : run.flushing) {
        candidates_ += Raise(point, key, &run.candidates);
      }
    }
    run.flushing = {};
    if (run.in_flight != 0 || !run.candidates.empty() || run.in_doubt) {
      return false;
    }
    clean.push_back({run_id, run.mark});
    return true;
  });
  return clean;
}

absl::Status LatestMetrics::Flush() {
  absl::MutexLock flush_lock(&flush_mutex_);
  SettleDoubts();
  const std::vector<RunPoints> runs = TakeCandidates();
  absl::Status status;
  absl::Span<const RunPoints> left = runs;
  while (status.ok() && !left.empty()) {
    size_t count = 0;
    for (size_t points = 0; count < left.size() && points < kProjectPointsMax;
         ++count) {
      points += left[count].second.size();
    }
    status = database_->Write([&](sql::Transaction& transaction) {
      return Project(transaction, left.subspan(0, count));
    });
    left.remove_prefix(count);
  }
  const std::vector<RunMark> clean = EndFlush(status);
  // No crash may take the projection back and leave the mark removed. Marks
  // that stay cost a projection at the next start, no more.
  if (!clean.empty() && database_->Sync().ok()) {
    store_->RemoveMarks(clean).IgnoreError();
  }
  return status;
}

}  // namespace millstream::storage
