// The tables of users, in memory.
#ifndef MILLSTREAM_AUTH_USER_CACHE_H_
#define MILLSTREAM_AUTH_USER_CACHE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "auth/user_store.h"
#include "storage/sql/database.h"

namespace millstream::auth {

// Thread-safe. Looked through again by a thread of its own every second; while
// the database is away, what was read last holds.
class UserCache {
 public:
  // `database` must outlive this. Who asks anew waits for `refresh_max`.
  explicit UserCache(storage::sql::Database* database,
                     absl::Duration refresh_max = absl::Seconds(2))
      : database_(*database), refresh_max_(refresh_max) {}
  ~UserCache();
  UserCache(const UserCache&) = delete;
  UserCache& operator=(const UserCache&) = delete;

  // Reads the tables for the first time. To be called first, and once.
  absl::Status Begin();

  // What was read last. Does not block.
  std::shared_ptr<const UserTable> table() const {
    absl::MutexLock lock(&mutex_);
    return table_;
  }
  // Another number whenever credentials that were right may be wrong.
  uint64_t generation() const {
    return generation_.load(std::memory_order_acquire);
  }

  // Returns when table() shows what was changed before this was called, or when
  // that is not to be had in time, whoever else waits for the database. Asks
  // once for all who wait.
  void Refresh();
  // The same after a change of ours; waits as long as the database does.
  absl::Status Reload();

 private:
  // Reads the tables, unless that was begun after `since` by another thread.
  absl::Status Load(absl::Time until, absl::Time since);
  void NoteFailure(const absl::Status& status);
  // Takes over what other programs have changed, until the end.
  void LookAgain();

  storage::sql::Database& database_;
  const absl::Duration refresh_max_;
  std::atomic<uint64_t> generation_{0};
  // The last attempt to read failed.
  std::atomic<bool> failing_{false};
  // Held for a moment, and not while the database is asked.
  mutable absl::Mutex mutex_;
  // One reads at a time, so that the last that began is what holds.
  bool loading_ ABSL_GUARDED_BY(mutex_) = false;
  // When the last that came to an end began.
  absl::Time loading_since_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::shared_ptr<const UserTable> table_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex look_mutex_;
  bool stopping_ ABSL_GUARDED_BY(look_mutex_) = false;
  std::thread looker_;
};

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_USER_CACHE_H_
