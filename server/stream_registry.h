// The streams of one kind that are open.
#ifndef MILLSTREAM_SERVER_STREAM_REGISTRY_H_
#define MILLSTREAM_SERVER_STREAM_REGISTRY_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/error.h"
#include "base/str_cat.h"

namespace millstream::server {

// `Stream` has a Stop(), and is held by shared pointers. Thread-safe.
template <typename Stream>
class StreamRegistry {
 public:
  // Takes `max` streams; `called` is what they are to callers ("watchers"),
  // `stopping` what a caller is told once they are stopped.
  StreamRegistry(size_t max, std::string called, absl::Status stopping)
      : max_(max), called_(std::move(called)), stopping_(std::move(stopping)) {}

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
    return absl::OkStatus();
  }

  void Remove(const Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    streams_.erase(stream);
  }

  // Stops the streams that are open, and lets no more in.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<std::shared_ptr<Stream>> open;
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
      for (const auto& [_, weak] : streams_) {
        if (auto stream = weak.lock()) open.push_back(std::move(stream));
      }
    }
    for (const auto& stream : open) stream->Stop();
  }

  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return streams_.size();
  }

 private:
  const size_t max_;
  const std::string called_;
  const absl::Status stopping_;
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<const Stream*, std::weak_ptr<Stream>> streams_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_STREAM_REGISTRY_H_
