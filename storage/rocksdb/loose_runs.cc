#include "storage/rocksdb/loose_runs.h"

#include <algorithm>
#include <utility>

#include "base/str_cat.h"

namespace millstream::storage {
LooseRuns::Run& LooseRuns::RunOf(std::string_view run_id) {
  auto found = runs_.find(AbslView(run_id));
  if (found != runs_.end()) return found->second;
  return runs_[std::string(run_id)];
}

void LooseRuns::Touch(const std::string& run_id, Run& run, absl::Time now) {
  run.quiet_since = now;
  if (!run.place.has_value()) {
    run.place = by_time_.insert(by_time_.end(), run_id);
  } else {
    by_time_.splice(by_time_.end(), by_time_, *run.place);
  }
}

void LooseRuns::AddMarked(const std::string& run_id, uint64_t mark) {
  absl::MutexLock lock(&mutex_);
  Run& run = runs_[run_id];
  run.marked = true;
  run.marks.push_back(mark);
  if (!run.place.has_value()) Touch(run_id, run, absl::InfinitePast());
  next_mark_ = std::max(next_mark_, mark + 1);
}

uint64_t LooseRuns::Begin(std::string_view run_id) {
  absl::MutexLock lock(&mutex_);
  Run& run = RunOf(run_id);
  ++run.in_flight;
  if (run.marked) return 0;
  run.marks.push_back(next_mark_);
  return next_mark_++;
}

void LooseRuns::Count(const std::string& run_id, Run& run,
                      const LooseAppend& append) {
  auto found = run.series.find(AbslView(append.key));
  if (found == run.series.end()) {
    if (series_ >= kSeriesMax) return;  // until the run is packed as a whole
    ++series_;
    found = run.series.try_emplace(std::string(append.key)).first;
  }
  Series& series = found->second;
  series.extent.Add(append.extent);
  if (series.queued || series.extent.points < series.points_due ||
      (series.extent.points < options_.loose_points &&
       series.extent.records < options_.loose_records)) {
    return;
  }
  series.queued = true;
  due_.emplace_back(run_id, append.key);
  changed_.Signal();
}

void LooseRuns::End(std::string_view run_id, uint64_t mark, bool committed,
                    absl::Span<const LooseAppend> series, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  auto found = runs_.find(AbslView(run_id));
  if (found == runs_.end()) return;
  auto& [id, run] = *found;
  --run.in_flight;
  ++run.appends;
  if (mark != 0 && committed) run.marked = true;
  const bool first = by_time_.empty();
  Touch(id, run, now);
  if (first) changed_.Signal();  // there is a time to wait for now
  for (const LooseAppend& append : series) Count(id, run, append);
}

std::optional<LooseRuns::Work> LooseRuns::Next(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  while (!due_.empty()) {
    auto [run_id, key] = std::move(due_.front());
    due_.pop_front();
    auto run = runs_.find(run_id);
    if (run == runs_.end()) continue;
    auto series = run->second.series.find(key);
    // It may be gone: the run was packed as a whole meanwhile.
    if (series == run->second.series.end() || !series->second.queued) continue;
    Work work{std::move(run_id), false, std::move(key), std::nullopt, 0};
    if (series->second.known) work.extent = series->second.extent;
    series->second = Series{};
    return work;
  }
  if (by_time_.empty()) return std::nullopt;
  const auto found = runs_.find(by_time_.front());
  Run& run = found->second;
  if (run.quiet_since + options_.quiet > now) return std::nullopt;
  by_time_.erase(*run.place);
  run.place.reset();
  series_ -= run.series.size();
  run.series.clear();
  return Work{found->first, true, "", std::nullopt, run.appends};
}

absl::Time LooseRuns::NextQuiet() const {
  absl::MutexLock lock(&mutex_);
  if (by_time_.empty()) return absl::InfiniteFuture();
  return runs_.find(by_time_.front())->second.quiet_since + options_.quiet;
}

void LooseRuns::Wait(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  while (!woken_ && due_.empty()) {
    if (changed_.WaitWithDeadline(&mutex_, deadline)) break;
    if (deadline == absl::InfiniteFuture() && !by_time_.empty()) break;
  }
  woken_ = false;
}

void LooseRuns::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
  changed_.Signal();
}

void LooseRuns::Packed(const Work& work, size_t waiting) {
  if (work.whole) return;
  absl::MutexLock lock(&mutex_);
  auto run = runs_.find(work.run_id);
  if (run == runs_.end()) return;
  auto series = run->second.series.find(work.key);
  if (series != run->second.series.end()) {
    series->second.points_due = waiting / 2;
    series->second.known = waiting == 0;
  }
}

std::optional<LooseExtent> LooseRuns::ExtentOf(std::string_view run_id,
                                               std::string_view key) const {
  absl::MutexLock lock(&mutex_);
  auto run = runs_.find(AbslView(run_id));
  if (run == runs_.end()) return std::nullopt;
  auto series = run->second.series.find(AbslView(key));
  if (series == run->second.series.end() || !series->second.known) {
    return std::nullopt;
  }
  return series->second.extent;
}

std::vector<uint64_t> LooseRuns::Clean(const Work& work) {
  absl::MutexLock lock(&mutex_);
  auto found = runs_.find(work.run_id);
  if (found == runs_.end()) return {};
  Run& run = found->second;
  if (run.in_flight > 0 || run.appends != work.appends) {
    // Its next End, or one that was meanwhile, gives it a place.
    return {};
  }
  std::vector<uint64_t> marks = std::move(run.marks);
  series_ -= run.series.size();
  if (run.place.has_value()) by_time_.erase(*run.place);
  runs_.erase(found);
  return marks;
}

void LooseRuns::Failed(const Work& work, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  auto found = runs_.find(work.run_id);
  if (found == runs_.end()) return;
  Touch(found->first, found->second, now);
}

std::vector<std::string> LooseRuns::RunIds() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> run_ids;
  for (const auto& [run_id, run] : runs_) run_ids.push_back(run_id);
  return run_ids;
}

}  // namespace millstream::storage
