#include "server/run_poller.h"

#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/feed_subject.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

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

}  // namespace

RunPoller::~RunPoller() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void RunPoller::Start() {
  thread_ = std::thread([this] { Run(); });
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
  while (Sleep(limits_.interval)) {
    const absl::Status status = Poll();
    if (!status.ok() && !failed && Alive().ok()) {
      LogWarning("Runs that are watched could not be read, will be tried "
                 "again: ", status.ToString());
    }
    failed = !status.ok();
  }
}

absl::Status RunPoller::Poll() {
  absl::flat_hash_map<std::string, Prints> known;
  absl::Status result;
  for (const RunFeed::Subject& subject : feed_->WatchedForChanges()) {
    const std::string name = StrCat(subject.experiment ? "e" : "r", subject.id);
    Prints& prints = known[name];
    if (auto found = known_.find(name); found != known_.end()) {
      prints = std::move(found->second);
    }
    absl::Status status = PollSubject(subject, &prints);
    if (!status.ok() && GetErrorCode(status) != v1::RESOURCE_DOES_NOT_EXIST) {
      result.Update(status);
    }
  }
  known_ = std::move(known);
  return result;
}

absl::Status RunPoller::PollSubject(const RunFeed::Subject& subject,
                                    Prints* prints) {
  StoredRuns runs(store_, subject, /*with_data=*/true, this);
  const double seconds_of_run = 1.0 / static_cast<double>(
                                          limits_.runs_per_second);
  v1::Run run;
  for (size_t read = 1;; ++read) {
    ASSIGN_OR_RETURN(const bool found, runs.Next(&run));
    if (!found) return absl::OkStatus();
    if (read % kBreathRuns == 0 &&
        !Sleep(absl::Seconds(kBreathRuns * seconds_of_run))) {
      return Alive();
    }
    const std::string& run_id = run.info().run_id();
    auto known = prints->find(run_id);
    if (known == prints->end()) {
      if (prints->size() >= limits_.runs) continue;
      prints->emplace(run_id, PrintOf(run));
      feed_->RunChanged(run_id, kRunAll);
      continue;
    }
    const Print print = PrintOf(run);
    uint8_t parts = 0;
    for (int i = 0; i < kParts; ++i) {
      if (print[i] != known->second[i]) parts |= 1 << i;
    }
    if (parts == 0) continue;
    known->second = print;
    feed_->RunChanged(run_id, parts);
  }
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
