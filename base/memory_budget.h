// How much memory all callers together may make a door hold.
#ifndef MILLSTREAM_BASE_MEMORY_BUDGET_H_
#define MILLSTREAM_BASE_MEMORY_BUDGET_H_

#include <atomic>
#include <cstddef>

namespace millstream {

// Thread-safe. Counts what is told to it, and allocates nothing.
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t bytes_max) : bytes_max_(bytes_max) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // What one holder has of it, until this is gone; the budget outlives it. Not
  // thread-safe.
  class Share {
   public:
    explicit Share(MemoryBudget* budget) : budget_(budget) {}
    ~Share() { Resize(0); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Makes the share `bytes`. A larger one is granted only if as much again
    // stays free: who asks for little is served when who asks for much no
    // longer is. False if it is not granted; then nothing changes.
    bool Resize(size_t bytes);

   private:
    MemoryBudget* const budget_;
    size_t bytes_ = 0;
  };

  // Held by all shares together.
  size_t held() const { return held_.load(std::memory_order_relaxed); }

 private:
  const size_t bytes_max_;
  std::atomic<size_t> held_{0};
};

}  // namespace millstream

#endif  // MILLSTREAM_BASE_MEMORY_BUDGET_H_
