// Connections to a database server, kept open and lent to one caller at a time.
//
// `size` connections stay open once they were needed; up to `overflow` more are
// opened while all are in use, and closed again after some seconds without use.
// A connection older than `recycle` is not lent again. Who finds none free
// waits for one, for `wait` at most: more callers than connections queue here
// instead of at the database.
//
// The one that was used last is lent first: its statements are prepared, and
// what is not needed ages.
#ifndef MILLSTREAM_STORAGE_SQL_CONNECTION_POOL_H_
#define MILLSTREAM_STORAGE_SQL_CONNECTION_POOL_H_

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/liveness.h"
#include "base/status_macros.h"

namespace millstream::storage::sql {

// Defaults. SQLAlchemy has 5 and 10 for each worker process, of which MLflow
// starts four. Three servers stay below the 100 connections that PostgreSQL
// takes by default.
inline constexpr int kPoolSizeDefault = 15;
inline constexpr int kPoolOverflowDefault = 10;
inline constexpr int kPoolConnectionsMax = 1000;
inline constexpr absl::Duration kPoolWaitDefault = absl::Seconds(30);
// How long a connection beyond `size` stays open without use.
inline constexpr absl::Duration kPoolOverflowIdle = absl::Seconds(10);

struct PoolOptions {
  // Together at most kPoolConnectionsMax, at least 1.
  int size = kPoolSizeDefault;
  int overflow = kPoolOverflowDefault;
  absl::Duration recycle = absl::InfiniteDuration();
  absl::Duration wait = kPoolWaitDefault;
};

// Thread-safe. Destroyed when nothing is lent any more. `Connection` has
// `absl::Time opened() const`.
template <typename Connection>
class ConnectionPool {
 public:
  explicit ConnectionPool(const PoolOptions& options) : options_(options) {}

  // A connection that was given back, or null if there is none idle: then the
  // caller opens one in the place that it now holds. Each must be given back.
  // kUnavailable: all were in use for too long; or what `caller` says.
  absl::StatusOr<std::unique_ptr<Connection>> Take(const Liveness& caller)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::Time deadline = absl::Now() + options_.wait;
    std::vector<std::unique_ptr<Connection>> closing;
    absl::MutexLock lock(&mutex_);
    for (;;) {
      RETURN_IF_ERROR(caller.Alive());
      const absl::Time now = absl::Now();
      CollectOld(now, &closing);
      if (!idle_.empty()) {
        std::unique_ptr<Connection> connection =
            std::move(idle_.back().connection);
        idle_.pop_back();
        return connection;
      }
      if (places_taken_ < options_.size + options_.overflow) {
        ++places_taken_;
        return nullptr;
      }
      if (now >= deadline) {
        return absl::UnavailableError(
            "all connections to the database are in use");
      }
      one_is_free_.WaitWithTimeout(&mutex_, kLivenessInterval);
    }
  }

  // Null: it was closed, or could not be opened; the place is free.
  void GiveBack(std::unique_ptr<Connection> connection)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    // Closed when the lock is no longer held.
    std::vector<std::unique_ptr<Connection>> closing;
    absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    if (connection == nullptr) {
      --places_taken_;
    } else {
      idle_.push_back({std::move(connection), now});
    }
    CollectOld(now, &closing);
    one_is_free_.Signal();
  }

  // Closes what is idle: the database has gone.
  void CloseIdle() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::deque<Idle> closing;
    absl::MutexLock lock(&mutex_);
    places_taken_ -= static_cast<int>(idle_.size());
    closing.swap(idle_);
    one_is_free_.SignalAll();
  }

  // Connections that are lent or idle.
  int open() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return places_taken_;
  }
  int idle() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return static_cast<int>(idle_.size());
  }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    absl::Time since;
  };

  // How often who waits asks whether its caller still waits.
  static constexpr absl::Duration kLivenessInterval = absl::Milliseconds(50);

  void CollectOld(absl::Time now,
                  std::vector<std::unique_ptr<Connection>>* closing)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // The front was used longest ago.
    while (!idle_.empty()) {
      const Idle& oldest = idle_.front();
      const bool is_old = now - oldest.connection->opened() > options_.recycle;
      const bool is_spare = places_taken_ > options_.size &&
                            now - oldest.since > kPoolOverflowIdle;
      if (!is_old && !is_spare) break;
      closing->push_back(std::move(idle_.front().connection));
      idle_.pop_front();
      --places_taken_;
    }
    // What is lent next may be old although it was used last.
    while (!idle_.empty() &&
           now - idle_.back().connection->opened() > options_.recycle) {
      closing->push_back(std::move(idle_.back().connection));
      idle_.pop_back();
      --places_taken_;
    }
  }

  const PoolOptions options_;

  mutable absl::Mutex mutex_;
  // The one given back last is at the end.
  std::deque<Idle> idle_ ABSL_GUARDED_BY(mutex_);
  int places_taken_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::CondVar one_is_free_;
};

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_CONNECTION_POOL_H_
