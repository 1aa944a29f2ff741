#include "server/ingest_budget.h"

#include <utility>

namespace millstream::server {

bool IngestBudget::TryTake(size_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (used_ != 0 && used_ + bytes > bytes_max_) {
    ++refused_;
    return false;
  }
  used_ += bytes;
  return true;
}

void IngestBudget::Take(size_t bytes) {
  absl::MutexLock lock(&mutex_);
  used_ += bytes;
}

void IngestBudget::Give(size_t bytes) {
  std::vector<std::function<void()>> woken;
  {
    absl::MutexLock lock(&mutex_);
    used_ -= bytes;
    // Half of it: who waits is called seldom, and then finds room.
    if (waiting_.empty() || used_ > stream_bytes_max_ / 2) return;
    woken.swap(waiting_);
  }
  for (const std::function<void()>& go_on : woken) go_on();
}

bool IngestBudget::MayRead(const std::function<void()>& go_on) {
  absl::MutexLock lock(&mutex_);
  if (used_ < stream_bytes_max_) return true;
  waiting_.push_back(go_on);
  return false;
}

size_t IngestBudget::used() const {
  absl::MutexLock lock(&mutex_);
  return used_;
}

void IngestBudget::AppendReadings(Readings* readings) const {
  absl::MutexLock lock(&mutex_);
  readings->push_back({.name = "millstream_ingest_waiting_bytes",
                       .help = "Bytes of writes that have come and are not "
                               "kept yet.",
                       .value = static_cast<double>(used_)});
  readings->push_back({.name = "millstream_ingest_refused_total",
                       .help = "Calls that were told to come again, because "
                               "too many writes waited.",
                       .kind = Reading::Kind::kCounter,
                       .value = static_cast<double>(refused_)});
}

}  // namespace millstream::server
