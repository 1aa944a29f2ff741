#include "base/memory_budget.h"

namespace millstream {

bool MemoryBudget::Share::Resize(size_t bytes) {
  std::atomic<size_t>& held = budget_->held_;
  if (bytes <= bytes_) {
    if (bytes < bytes_) {
      held.fetch_sub(bytes_ - bytes, std::memory_order_relaxed);
    }
    bytes_ = bytes;
    return true;
  }
  const size_t bytes_max = budget_->bytes_max_;
  if (bytes > bytes_max / 2) return false;
  const size_t more = bytes - bytes_;
  size_t now = held.load(std::memory_order_relaxed);
  do {
    if (now + more + bytes > bytes_max) return false;
  } while (!held.compare_exchange_weak(now, now + more,
                                       std::memory_order_relaxed));
  bytes_ = bytes;
  return true;
}

}  // namespace millstream
