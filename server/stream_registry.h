// The streams of one kind, how many of them there may be and how long they may
// wait.
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
#include "auth/credentials.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "server/call_context.h"

namespace millstream::server {

// How long a stream may wait for its caller. Tests have no patience.
struct StreamPatience {
  // For the first message.
  absl::Duration first_message =
      absl::Milliseconds(limits::kStreamFirstMessageMsMax);
  // Until an answer is taken.
  absl::Duration answer = absl::Milliseconds(limits::kStreamAnswerMsMax);
};

// How many streams there may be: those that are open, because their first
// message has come, and those that are not yet. Of both, no owner may have all.
struct StreamCounts {
  size_t open = 0;
  size_t open_each = 0;
  size_t unopened = limits::kStreamsUnopenedMax;
  size_t unopened_each = limits::kStreamsUnopenedEachMax;
};

// Who a call counts for: its user, or the address that it comes from.
inline std::string OwnerOf(const CallContext& context) {
  if (context.identity() != nullptr) {
    return StrCat("user ", context.identity()->user);
  }
  return StrCat("address ", auth::AddressOf(context.peer()));
}

// `Stream` has a Stop() and a CheckPatience(absl::Time now), neither of which
// blocks, and is held by shared pointers. A thread has all streams check their
// patience now and then while there are any.
//
// Thread-safe. Outlives the streams.
template <typename Stream>
class StreamRegistry {
 public:
  // `called` is what the streams are to callers ("watchers"), `stopping` what a
  // caller is told once they are stopped.
  StreamRegistry(const StreamCounts& counts, std::string called,
                 absl::Status stopping)
      : counts_(counts),
        called_(std::move(called)),
        stopping_(std::move(stopping)) {}
  ~StreamRegistry() {
    {
      absl::MutexLock lock(&mutex_);
      ends_ = true;
    }
    if (checker_.joinable()) checker_.join();
  }

  // Takes a stream whose first message has not come. RESOURCE_EXHAUSTED: there
  // are too many; `stopping` after Stop.
  absl::Status Add(const std::shared_ptr<Stream>& stream, std::string owner)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return Add(stream, std::move(owner), false);
  }
  // The same of a stream whose first message is there.
  absl::Status AddOpen(const std::shared_ptr<Stream>& stream, std::string owner)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return Add(stream, std::move(owner), true);
  }

  // The first message of a stream has come. RESOURCE_EXHAUSTED: too many are
  // open. Nothing if it is open already, or not here.
  absl::Status Opened(const Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto found = streams_.find(stream);
    if (found == streams_.end() || found->second.open) return absl::OkStatus();
    Counted& of_owner = owners_[found->second.owner];
    if (absl::Status status = CheckOpen(of_owner); !status.ok()) return status;
    found->second.open = true;
    --all_.unopened;
    --of_owner.unopened;
    ++all_.open;
    ++of_owner.open;
    return absl::OkStatus();
  }

  void Remove(const Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return;
    const auto owner = owners_.find(found->second.owner);
    --(found->second.open ? all_.open : all_.unopened);
    --(found->second.open ? owner->second.open : owner->second.unopened);
    if (owner->second.open + owner->second.unopened == 0) owners_.erase(owner);
    streams_.erase(found);
  }

  // Stops the streams that there are, and lets no more in.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    for (const auto& stream : Streams()) stream->Stop();
  }

  // Has all streams look whether they have waited for too long by `now`.
  void CheckPatience(absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_) {
    for (const auto& stream : Streams()) stream->CheckPatience(now);
  }

  // Streams that there are, open or not yet.
  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return streams_.size();
  }

 private:
  static constexpr absl::Duration kCheckInterval = absl::Seconds(1);

  struct Counted {
    size_t open = 0;
    size_t unopened = 0;
  };
  struct Entry {
    std::weak_ptr<Stream> stream;
    std::string owner;
    bool open = false;
  };

  absl::Status TooMany(size_t count) const {
    return MakeError(v1::RESOURCE_EXHAUSTED,
                     StrCat("The server has ", count, " ", called_,
                            " and takes no more; try again later."));
  }
  absl::Status TooManyOfOne(size_t count) const {
    return MakeError(v1::RESOURCE_EXHAUSTED,
                     StrCat("The server has ", count, " ", called_,
                            " of this user or address and takes no more of "
                            "them; try again later."));
  }
  // Whether one more of an owner may be open.
  absl::Status CheckOpen(const Counted& of_owner) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (all_.open >= counts_.open) return TooMany(counts_.open);
    if (of_owner.open >= counts_.open_each) {
      return TooManyOfOne(counts_.open_each);
    }
    return absl::OkStatus();
  }

  absl::Status Add(const std::shared_ptr<Stream>& stream, std::string owner,
                   bool open) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (stopped_) return stopping_;
    const auto found = owners_.find(owner);
    const Counted of_owner =
        found == owners_.end() ? Counted() : found->second;
    if (absl::Status status = CheckOpen(of_owner); !status.ok()) return status;
    if (!open && all_.unopened >= counts_.unopened) {
      return TooMany(counts_.unopened);
    }
    if (!open && of_owner.unopened >= counts_.unopened_each) {
      return TooManyOfOne(counts_.unopened_each);
    }
    ++(open ? all_.open : all_.unopened);
    Counted& counted = owners_[owner];
    ++(open ? counted.open : counted.unopened);
    streams_.emplace(stream.get(), Entry{stream, std::move(owner), open});
    if (!checker_.joinable()) checker_ = std::thread([this] { Check(); });
    return absl::OkStatus();
  }

  std::vector<std::shared_ptr<Stream>> Streams() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<std::shared_ptr<Stream>> streams;
    absl::MutexLock lock(&mutex_);
    for (const auto& [_, entry] : streams_) {
      if (auto stream = entry.stream.lock()) {
        streams.push_back(std::move(stream));
      }
    }
    return streams;
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

  const StreamCounts counts_;
  const std::string called_;
  const absl::Status stopping_;
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool ends_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<const Stream*, Entry> streams_ ABSL_GUARDED_BY(mutex_);
  Counted all_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Counted> owners_ ABSL_GUARDED_BY(mutex_);
  // Started by the first stream, under the lock; joined by the destructor.
  std::thread checker_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_STREAM_REGISTRY_H_
