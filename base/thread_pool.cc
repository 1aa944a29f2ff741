#include "base/thread_pool.h"

#include <utility>

namespace millstream {

ThreadPool::ThreadPool(size_t threads_max, size_t queue_max)
    : threads_max_(threads_max), queue_max_(queue_max) {}

ThreadPool::~ThreadPool() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    wake_.SignalAll();
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

bool ThreadPool::Post(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (tasks_.size() >= queue_max_ + idle_) return false;
  tasks_.push_back(std::move(task));
  if (tasks_.size() <= idle_) {
    wake_.Signal();
  } else if (threads_.size() < threads_max_) {
    threads_.emplace_back([this] { Work(); });
  }
  return true;
}

void ThreadPool::Work() {
  mutex_.Lock();
  while (true) {
    while (tasks_.empty() && !stopping_) {
      ++idle_;
      wake_.Wait(&mutex_);
      --idle_;
    }
    if (tasks_.empty()) break;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    mutex_.Unlock();
    task();
    task = nullptr;
    mutex_.Lock();
  }
  mutex_.Unlock();
}

}  // namespace millstream
