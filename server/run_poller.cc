#include "server/run_poller.h"

#include <cstdint>
#include <limits>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/feed_subject.h"
#include "storage/metric_store.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

using storage::MetricPoint;

// How many runs are read between two looks at the clock.
constexpr size_t kBreathRuns = 32;

template <typename Field>
size_t HashOf(const Field& messages) {
  std::string bytes;
  for (const auto& message : messages) {
    message.AppendToString(&bytes);
    bytes.push_back('\n');
  }
  return absl::Hash<std::string>()(bytes);
}

// The first of all points in history order, and the first that is so long
// before another.
MetricPoint First() {
  using Int64 = std::numeric_limits<int64_t>;
  return {Int64::min(), Int64::min(),
          -std::numeric_limits<double>::infinity()};
}
MetricPoint Before(const MetricPoint& point, absl::Duration duration) {
  MetricPoint before = First();
  const int64_t ms = absl::ToInt64Milliseconds(duration);
  if (point.timestamp_ms > before.timestamp_ms + ms) {
    before.timestamp_ms = point.timestamp_ms - ms;
  }
  return before;
}

}  // namespace

RunPoller::Watched::Watched(RunFeed::Subject subject)
    : subject(std::move(subject)) {}

RunPoller::Watched::~Watched() = default;

RunPoller::RunPoller(storage::TrackingStore* store,
                     storage::MetricStore* points, RunFeed* feed,
                     const Limits& limits)
    : store_(store), points_(points), feed_(feed), limits_(limits) {}

RunPoller::~RunPoller() {
  Stop();
  if (thread_.joinable()) thread_.join();
}

void RunPoller::Start() {
  thread_ = std::thread([this] { Run(); });
}

void RunPoller::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

absl::Status RunPoller::Alive() const {
  absl::MutexLock lock(&mutex_);
  return stopping_ ? absl::CancelledError("the server stops")
                   : absl::OkStatus();
}

bool RunPoller::Sleep(absl::Duration duration) const {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stopping_), duration);
}

void RunPoller::Run() {
  bool failed = false;
  // Subjects have their turns at different times.
  while (Sleep(under_way_ ? absl::ZeroDuration() : limits_.interval / 4)) {
    const absl::Status status = Poll();
    if (!status.ok() && !failed && Alive().ok()) {
      LogWarning("Runs that are watched could not be read, will be tried "
                 "again: ", status.ToString());
    }
    failed = !status.ok();
  }
}

std::string RunPoller::NameOf(const RunFeed::Subject& subject) {
  return StrCat(subject.points ? "p" : "c", subject.experiment ? "e" : "r",
                subject.id);
}

std::unique_ptr<StoredRuns> RunPoller::NewPass(
    const RunFeed::Subject& subject) {
  const Liveness* const caller = this;
  return std::make_unique<StoredRuns>(store_, subject,
                                      /*with_data=*/!subject.points, caller);
}

absl::Status RunPoller::Begin(const RunFeed::Subject& subject) {
  const std::string name = NameOf(subject);
  {
    absl::MutexLock lock(&mutex_);
    if (watched_.contains(name)) return absl::OkStatus();
  }
  auto watched = std::make_unique<Watched>(subject);
  watched->begun = absl::Now();
  watched->pass = NewPass(subject);
  absl::Status status = Alive();
  for (bool found = true; found && status.ok();) {
    const absl::StatusOr<bool> next = LookAtNext(false, watched.get());
    found = next.ok() && *next;
    status = next.ok() ? Alive() : next.status();
  }
  watched->pass = nullptr;
  if (status.ok()) {
    absl::MutexLock lock(&mutex_);
    // Who was faster knows what is older.
    if (watched_.try_emplace(name, std::move(watched)).second) {
      return absl::OkStatus();
    }
  }
  for (const auto& [_, seen] : watched->runs) series_ -= seen.latest.size();
  return status;
}

std::vector<RunPoller::Watched*> RunPoller::Turns() {
  // In this order: who begins in between is in none of both, or in the second.
  absl::flat_hash_set<std::string> gone;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, _] : watched_) gone.insert(name);
  }
  const std::vector<RunFeed::Subject> subjects = feed_->Watched();
  for (const RunFeed::Subject& subject : subjects) gone.erase(NameOf(subject));
  std::vector<Watched*> turns;
  absl::MutexLock lock(&mutex_);
  for (const std::string& name : gone) {
    const auto found = watched_.find(name);
    for (const auto& [_, seen] : found->second->runs) {
      series_ -= seen.latest.size();
    }
    watched_.erase(found);
  }
  for (const RunFeed::Subject& subject : subjects) {
    std::unique_ptr<Watched>& watched = watched_[NameOf(subject)];
    if (watched == nullptr) watched = std::make_unique<Watched>(subject);
    turns.push_back(watched.get());
  }
  return turns;
}

absl::Status RunPoller::Poll() {
  absl::Status result;
  under_way_ = false;
  for (Watched* watched : Turns()) {
    const absl::Status status = TakeSlice(watched);
    if (!status.ok()) {
      watched->pass = nullptr;
      if (GetErrorCode(status) != v1::RESOURCE_DOES_NOT_EXIST) {
        result.Update(status);
      }
    }
    if (watched->pass != nullptr) under_way_ = true;
  }
  return result;
}

bool RunPoller::BeginPass(Watched* watched) {
  const absl::Time now = absl::Now();
  if (now - watched->begun < limits_.interval) return false;
  watched->begun = now;
  watched->pass = NewPass(watched->subject);
  return true;
}

absl::Status RunPoller::TakeSlice(Watched* watched) {
  if (watched->pass == nullptr && !BeginPass(watched)) return absl::OkStatus();
  for (size_t i = 0; i < limits_.slice_runs; ++i) {
    ASSIGN_OR_RETURN(bool found, LookAtNext(true, watched));
    // The slice before took the last.
    if (!found && i == 0 && BeginPass(watched)) {
      ASSIGN_OR_RETURN(found, LookAtNext(true, watched));
    }
    if (!found) {
      watched->pass = nullptr;
      return absl::OkStatus();
    }
    if (++looked_ % kBreathRuns == 0 &&
        !Sleep(absl::Seconds(static_cast<double>(kBreathRuns) /
                             static_cast<double>(limits_.runs_per_second)))) {
      return Alive();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> RunPoller::LookAtNext(bool tell, Watched* watched) {
  v1::Run run;
  ASSIGN_OR_RETURN(const bool found, watched->pass->Next(&run));
  if (!found) return false;
  const std::string& run_id = run.info().run_id();
  auto seen = watched->runs.find(run_id);
  const bool is_new = seen == watched->runs.end();
  if (is_new) {
    if (watched->runs.size() >= limits_.runs) return true;
    seen = watched->runs.try_emplace(run_id).first;
  }
  if (watched->subject.points) {
    RETURN_IF_ERROR(
        LookAtPoints(run.info(), tell, watched->subject, &seen->second));
  } else {
    LookAtParts(run, is_new, tell, &seen->second);
  }
  return true;
}

void RunPoller::LookAtParts(const v1::Run& run, bool is_new, bool tell,
                            Seen* seen) {
  const Print print = PrintOf(run);
  uint8_t parts = is_new ? kRunAll : 0;
  for (int i = 0; i < kParts; ++i) {
    if (print[i] != seen->print[i]) parts |= 1 << i;
  }
  seen->print = print;
  if (tell && parts != 0) feed_->RunChanged(run.info().run_id(), parts);
}

absl::Status RunPoller::LookAtPoints(const v1::RunInfo& info, bool tell,
                                     const RunFeed::Subject& subject,
                                     Seen* seen) {
  const size_t print = absl::Hash<std::string>()(info.SerializeAsString());
  const bool has_changed = seen->print[0] != print;
  std::vector<std::pair<std::string, MetricPoint>> series;
  RETURN_IF_ERROR(points_->ReadLatest(
      info.run_id(), [&](std::string_view key, const MetricPoint& latest) {
        const size_t hash = absl::HashOf(AbslView(key));
        auto known = seen->latest.find(hash);
        if (known == seen->latest.end()) {
          if (series_ >= limits_.series) return;
          ++series_;
          seen->latest.emplace(hash, latest);
          series.emplace_back(key, First());
          return;
        }
        if (!has_changed && CompareSteps(known->second, latest) == 0) return;
        series.emplace_back(key, Before(known->second, limits_.clocks));
        known->second = latest;
      }));
  seen->print[0] = print;
  if (tell) feed_->PointsElsewhere(subject, info.run_id(), series);
  return absl::OkStatus();
}

RunPoller::Print RunPoller::PrintOf(const v1::Run& run) {
  static_assert(kRunInfo == 1 && kRunParams == 2 && kRunTags == 4 &&
                kRunMetrics == 8 && kRunInputs == 16);
  const absl::Hash<std::string> hash;
  return {hash(run.info().SerializeAsString()), HashOf(run.data().params()),
          HashOf(run.data().tags()), HashOf(run.data().metrics()),
          hash(run.inputs().SerializeAsString() +
               run.outputs().SerializeAsString())};
}

}  // namespace millstream::server
