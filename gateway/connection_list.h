// The connections that are open, to end those that take too long.
#ifndef MILLSTREAM_GATEWAY_CONNECTION_LIST_H_
#define MILLSTREAM_GATEWAY_CONNECTION_LIST_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <list>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace millstream::gateway {

// Milliseconds of a clock that only goes forward. Thread-safe.
int64_t MonotonicMs();

// Thread-safe. Connections are ended by shutting their sockets down, so that
// whatever reads or writes them returns. One look at all connections a second
// costs less than a timer for each step of each.
class ConnectionList {
 public:
  explicit ConnectionList(int connections_max)
      : connections_max_(connections_max) {}

  // What a connection is doing: nothing, sending the head of a request, not
  // sending what is missing of its body, or being served.
  enum class Phase { kIdle, kHead, kBody, kBusy };

  // One connection, in the list for as long as this lives. The socket must be
  // open until then. Methods may be called by the connection's user only.
  class Entry {
   public:
    // When there are too many, one that is not being served is ended for this
    // one: that whose time is up first, and one of which a body is awaited if
    // all others are served. `*full` says whether there was none; then this
    // connection must be closed unused.
    Entry(ConnectionList* list, int socket, bool* full);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    // The connection is ended when MonotonicMs() goes past `ms`.
    void SetDeadline(int64_t ms) {
      deadline_ms_.store(ms, std::memory_order_relaxed);
    }
    // It waits for us, not we for it.
    void ClearDeadline() {
      SetDeadline(std::numeric_limits<int64_t>::max());
    }
    // Stopping ends those that are idle.
    void SetPhase(Phase phase) { phase_.store(phase); }
    // Whether the connection is to serve no further request.
    bool stopping() const { return list_->stopping_.load(); }

   private:
    friend class ConnectionList;

    ConnectionList* const list_;
    const int socket_;
    std::atomic<int64_t> deadline_ms_;
    std::atomic<Phase> phase_{Phase::kIdle};
    // Was ended to make room. Guarded by the list's mutex_.
    bool evicted_ = false;
    std::list<Entry*>::iterator position_;
  };

  // Ends those whose time is over.
  void EndOverdue();

  // From now on stopping() is true; idle connections are ended. Waits until
  // all are gone, and after `wait_ms` ends those that are left and waits for
  // them.
  void Stop(int64_t wait_ms);

 private:
  void EndAll() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends one that is not being served; false if there is none.
  bool EvictOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int connections_max_;
  std::atomic<bool> stopping_{false};
  absl::Mutex mutex_;
  std::list<Entry*> entries_ ABSL_GUARDED_BY(mutex_);
  // How many of them were ended to make room and have not left yet.
  int evicted_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_CONNECTION_LIST_H_
