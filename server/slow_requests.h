// Requests of calls that have not come yet.
#ifndef MILLSTREAM_SERVER_SLOW_REQUESTS_H_
#define MILLSTREAM_SERVER_SLOW_REQUESTS_H_

#include <cstddef>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace millstream::server {

// Nearly all requests come at once, so one costs little here until it has let
// the server wait for kSlow. Then it counts for its owner, as StreamRegistry
// has it; it is refused if there are too many, or if it takes too long. A
// thread looks after that.
//
// Thread-safe. Outlives the requests.
class SlowRequests {
 public:
  static constexpr absl::Duration kSlow = absl::Seconds(1);

  class Request {
   public:
    Request() = default;
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

   protected:
    ~Request() = default;

   private:
    friend class SlowRequests;

    // Both are called under a lock that Add() and Remove() take; neither may
    // block.
    virtual std::string Owner() const = 0;
    // RESOURCE_EXHAUSTED or DEADLINE_EXCEEDED. By returning false it asks to be
    // told again.
    virtual bool Refuse(const absl::Status& status) = 0;

    // Its place in the list, if it is there.
    Request* previous_ = nullptr;
    Request* next_ = nullptr;
    bool waits_ = false;
    absl::Time since_;
  };

  // Slow requests that there may be, of all and of one owner, and how long one
  // may take.
  SlowRequests(size_t count, size_t count_each, absl::Duration patience);
  // When no request waits.
  ~SlowRequests();

  // `request` is waited for from `now` on.
  void Add(Request* request, absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  // It has come. False: it was refused.
  bool Remove(Request* request) ABSL_LOCKS_EXCLUDED(mutex_);

  // Refuses what is to be refused by `now`.
  void Check(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Unlink(Request* request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckNowAndThen() ABSL_LOCKS_EXCLUDED(mutex_);

  const size_t count_;
  const size_t count_each_;
  const absl::Duration patience_;
  absl::Mutex mutex_;
  // Those who lock do not look at what the thread waits for: they signal it.
  absl::CondVar some_wait_;
  absl::CondVar ending_;
  bool ends_ ABSL_GUARDED_BY(mutex_) = false;
  // In the order in which they were added.
  Request* first_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Request* last_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // Started by the first request, under the lock; joined by the destructor.
  std::thread checker_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_SLOW_REQUESTS_H_
