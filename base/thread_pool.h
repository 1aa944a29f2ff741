// Threads that run what is handed to them.
#ifndef MILLSTREAM_BASE_THREAD_POOL_H_
#define MILLSTREAM_BASE_THREAD_POOL_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace millstream {

// Thread-safe. A thread is started when a task comes and none is idle, up to
// `threads_max`; tasks beyond that wait, first come first served, up to
// `queue_max` of them.
class ThreadPool {
 public:
  ThreadPool(size_t threads_max, size_t queue_max);
  // Runs what is queued, then joins.
  ~ThreadPool();

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // False, and `task` is not run, if the queue is full.
  [[nodiscard]] bool Post(std::function<void()> task);

 private:
  void Work();

  const size_t threads_max_;
  const size_t queue_max_;
  absl::Mutex mutex_;
  absl::CondVar wake_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace millstream

#endif  // MILLSTREAM_BASE_THREAD_POOL_H_
