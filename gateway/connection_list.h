// The connections that are open, to end those that take too long.
#ifndef MILLSTREAM_GATEWAY_CONNECTION_LIST_H_
#define MILLSTREAM_GATEWAY_CONNECTION_LIST_H_

#include <atomic>
#include <cstdint>
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

  // One connection, in the list for as long as this lives. The socket must be
  // open until then. Methods may be called by the connection's user only.
  class Entry {
   public:
    // `*full` says whether the connection must be closed unused.
    Entry(ConnectionList* list, int socket, bool* full);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    // The connection is ended when MonotonicMs() goes past `ms`.
    void SetDeadline(int64_t ms) {
      deadline_ms_.store(ms, std::memory_order_relaxed);
    }
    // Between requests a connection is idle: stopping ends it.
    void SetIdle(bool idle) { idle_.store(idle); }
    // Whether the connection is to serve no further request.
    bool stopping() const { return list_->stopping_.load(); }

   private:
    friend class ConnectionList;

    ConnectionList* const list_;
    const int socket_;
    std::atomic<int64_t> deadline_ms_;
    std::atomic<bool> idle_{true};
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

  const int connections_max_;
  std::atomic<bool> stopping_{false};
  absl::Mutex mutex_;
  std::list<Entry*> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_CONNECTION_LIST_H_
