// What belongs to which experiment, as far as it is known.
#ifndef MILLSTREAM_SERVER_OWNER_CACHE_H_
#define MILLSTREAM_SERVER_OWNER_CACHE_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "base/limits.h"

namespace millstream::server {

// Thread-safe. For owners that never change. Emptied when it has
// limits::kKnownOwnersMax of them.
class OwnerCache {
 public:
  std::optional<std::string> Find(const std::string& key) const {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = owners_.find(key);
    if (found == owners_.end()) return std::nullopt;
    return found->second;
  }

  void Put(const std::string& key, const std::string& owner) {
    absl::MutexLock lock(&mutex_);
    if (owners_.size() >= limits::kKnownOwnersMax) owners_.clear();
    owners_[key] = owner;
  }

  size_t size() const {
    absl::ReaderMutexLock lock(&mutex_);
    return owners_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::string> owners_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_OWNER_CACHE_H_
