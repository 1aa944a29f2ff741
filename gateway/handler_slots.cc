#include "gateway/handler_slots.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millstream::gateway {

bool HandlerSlots::TryTake() {
  absl::MutexLock lock(&mutex_);
  if (free_ == 0) return false;
  --free_;
  return true;
}

void HandlerSlots::Wait(int64_t deadline_ms, Waiter waiter) {
  {
    absl::MutexLock lock(&mutex_);
    if (free_ == 0) {
      line_.push_back({deadline_ms, std::move(waiter)});
      return;
    }
    --free_;
  }
  waiter(true);
}

void HandlerSlots::Give() {
  Waiter next;
  {
    absl::MutexLock lock(&mutex_);
    if (line_.empty()) {
      ++free_;
      return;
    }
    next = std::move(line_.front().waiter);
    line_.pop_front();
  }
  next(true);
}

void HandlerSlots::ExpireBefore(int64_t now_ms) {
  std::vector<Waiter> expired;
  {
    absl::MutexLock lock(&mutex_);
    const auto first_expired = std::stable_partition(
        line_.begin(), line_.end(), [now_ms](const Waiting& waiting) {
          return waiting.deadline_ms >= now_ms;
        });
    for (auto it = first_expired; it != line_.end(); ++it) {
      expired.push_back(std::move(it->waiter));
    }
    line_.erase(first_expired, line_.end());
  }
  for (Waiter& waiter : expired) waiter(false);
}

}  // namespace millstream::gateway
