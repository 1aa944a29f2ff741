// How many handlers may be busy at a time.
#ifndef MILLSTREAM_GATEWAY_HANDLER_SLOTS_H_
#define MILLSTREAM_GATEWAY_HANDLER_SLOTS_H_

#include <cstdint>
#include <deque>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace millstream::gateway {

// Thread-safe. Handlers run on the threads that serve the sockets and may
// block there. Fewer slots than threads leave a thread for everything else;
// who finds no slot waits in line without holding a thread.
class HandlerSlots {
 public:
  // REQUIRES: slots >= 1.
  explicit HandlerSlots(int slots) : free_(slots) {}

  // Told true when a slot is the waiter's, false when it waited too long.
  // Called once, from another thread perhaps, outside any lock.
  using Waiter = std::function<void(bool)>;

  // Takes a slot if one is free and nobody waits.
  bool TryTake();
  // Stands in line until a slot is free or ExpireBefore() goes past
  // `deadline_ms`. A slot that is free by now is given at once.
  void Wait(int64_t deadline_ms, Waiter waiter);
  // Gives a slot back: to the first in line if there is one.
  void Give();
  // Sends away who waits for longer than until `now_ms`.
  void ExpireBefore(int64_t now_ms);

 private:
  struct Waiting {
    int64_t deadline_ms;
    Waiter waiter;
  };

  absl::Mutex mutex_;
  int free_ ABSL_GUARDED_BY(mutex_);
  // In the order in which they came.
  std::deque<Waiting> line_ ABSL_GUARDED_BY(mutex_);
};

// A slot that was taken, given back at the end. Not thread-safe.
class HeldSlot {
 public:
  // `slots` outlive this.
  explicit HeldSlot(HandlerSlots* slots) : slots_(slots) {}
  ~HeldSlot() { slots_->Give(); }
  HeldSlot(const HeldSlot&) = delete;
  HeldSlot& operator=(const HeldSlot&) = delete;

 private:
  HandlerSlots* const slots_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HANDLER_SLOTS_H_
