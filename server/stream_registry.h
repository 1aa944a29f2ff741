// The streams of one kind that are open, and how long they may wait.
#ifndef MILLSTREAM_SERVER_STREAM_REGISTRY_H_
#define MILLSTREAM_SERVER_STREAM_REGISTRY_H_

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"

namespace millstream::server {

// How long a stream may wait for its caller. Tests have no patience.
struct StreamPatience {
  // For the first message.
  absl::Duration first_message =
      absl::Milliseconds(limits::kStreamFirstMessageMsMax);
  // Until an answer is taken.
  absl::Duration answer = absl::Milliseconds(limits::kStreamAnswerMsMax);
};

// `Stream` has a Stop() and a CheckPatience(absl::Time now), neither of which
// blocks, and is held by shared pointers. A thread has all streams check their
// patience now and then while there are any.
//
// Thread-safe. Outlives the streams.
template <typename Stream>
class StreamRegistry {
 public:
  // Takes `max` streams; `called` is what they are to callers ("watchers"),
  // `stopping` what a caller is told once they are stopped.
  StreamRegistry(size_t max, std::string called, absl::Status stopping)
      : max_(max), called_(std::move(called)), stopping_(std::move(stopping)) {}
  ~StreamRegistry() {
    {
      absl::MutexLock lock(&mutex_);
      ends_ = true;
    }
    if (checker_.joinable()) checker_.join();
  }

  // RESOURCE_EXHAUSTED: there are too many; `stopping` after Stop.
  absl::Status Add(const std::shared_ptr<Stream>& stream)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return stopping_;
    if (streams_.size() >= max_) {
      return MakeError(v1::RESOURCE_EXHAUSTED,
                       StrCat("The server has ", max_, " ", called_,
                              " and takes no more; try again later."));
    }
    streams_.emplace(stream.get(), stream);
    if (!checker_.joinable()) checker_ = std::thread([this] { Check(); });
    return absl::OkStatus();
  }

  void Remove(const Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    streams_.erase(stream);
  }

  // Stops the streams that are open, and lets no more in.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    for (const auto& stream : Open()) stream->Stop();
  }

  // Has all streams look whether they have waited for too long by `now`.
  void CheckPatience(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_) {
    for (const auto& stream : Open()) stream->CheckPatience(now);
  }

  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return streams_.size();
  }

 private:
  static constexpr absl::Duration kCheckInterval = absl::Seconds(1);

  std::vector<std::shared_ptr<Stream>> Open() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<std::shared_ptr<Stream>> open;
    absl::MutexLock lock(&mutex_);
    for (const auto& [_, weak] : streams_) {
      if (auto stream = weak.lock()) open.push_back(std::move(stream));
    }
    return open;
  }

  // The checker's thread.
  void Check() ABSL_LOCKS_EXCLUDED(mutex_) {
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        auto is_needed = [this] {
          mutex_.AssertHeld();
          return ends_ || !streams_.empty();
        };
        mutex_.Await(absl::Condition(&is_needed));
        if (mutex_.AwaitWithTimeout(absl::Condition(&ends_), kCheckInterval)) {
          return;
        }
      }
      CheckPatience(absl::Now());
    }
  }

  const size_t max_;
  const std::string called_;
  const absl::Status stopping_;
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool ends_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<const Stream*, std::weak_ptr<Stream>> streams_
      ABSL_GUARDED_BY(mutex_);
  // Started by the first stream, under the lock; joined by the destructor.
  std::thread checker_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_STREAM_REGISTRY_H_
