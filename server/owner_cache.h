// What belongs to which experiment, as far as it is known.
#ifndef MILLSTREAM_SERVER_OWNER_CACHE_H_
#define MILLSTREAM_SERVER_OWNER_CACHE_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/limits.h"

namespace millstream::server {

// Thread-safe. Owners change only when something is deleted for good and its id
// made again, here or at another server: they are remembered for
// limits::kKnownOwnerMsMax. Emptied when there are limits::kKnownOwnersMax.
class OwnerCache {
 public:
  std::optional<std::string> Find(const std::string& key,
                                  absl::Time now) const {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = owners_.find(key);
    if (found == owners_.end() || now >= found->second.until) {
      return std::nullopt;
    }
    return found->second.name;
  }

  // `now`: when it was asked for.
  void Put(const std::string& key, const std::string& owner, absl::Time now) {
    absl::MutexLock lock(&mutex_);
    if (owners_.size() >= limits::kKnownOwnersMax) owners_.clear();
    owners_[key] = {owner,
                    now + absl::Milliseconds(limits::kKnownOwnerMsMax)};
  }

  size_t size() const {
    absl::ReaderMutexLock lock(&mutex_);
    return owners_.size();
  }

 private:
  struct Owner {
    std::string name;
    absl::Time until;
  };

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Owner> owners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_OWNER_CACHE_H_
