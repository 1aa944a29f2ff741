#include "auth/user_cache.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "auth/user_tables.h"
#include "base/liveness.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace millstream::auth {
namespace {

using storage::sql::Connection;

// How often other programs' changes are looked for; if that takes long, less
// often, so that it takes one part in kLookShare of the time.
constexpr absl::Duration kLookInterval = absl::Seconds(1);
constexpr int kLookShare = 20;
// Waits until then.
class Until final : public Liveness {
 public:
  explicit Until(absl::Time end) : end_(end) {}
  absl::Status Alive() const override {
    return absl::Now() < end_ ? absl::OkStatus()
                              : absl::DeadlineExceededError("");
  }

 private:
  const absl::Time end_;
};

// Whether credentials that were right may be wrong now.
bool SameUsers(const UserTable& left, const UserTable& right) {
  if (left.users.size() != right.users.size()) return false;
  for (const auto& [name, user] : left.users) {
    const User* other = right.Find(name);
    if (other == nullptr || other->password_hash != user.password_hash ||
        other->id != user.id) {
      return false;
    }
  }
  return true;
}

}  // namespace

UserCache::~UserCache() {
  {
    absl::MutexLock lock(&look_mutex_);
    stopping_ = true;
  }
  if (looker_.joinable()) looker_.join();
}

absl::Status UserCache::Begin() {
  RETURN_IF_ERROR(Load(absl::InfiniteFuture(), absl::InfiniteFuture()));
  looker_ = std::thread([this] { LookAgain(); });
  return absl::OkStatus();
}

void UserCache::Refresh() {
  const absl::Time now = absl::Now();
  const absl::Status status = Load(now + refresh_max_, now);
  if (!status.ok()) NoteFailure(status);
}

absl::Status UserCache::Reload() {
  return Load(absl::InfiniteFuture(), absl::Now());
}

absl::Status UserCache::Load(absl::Time until, absl::Time since) {
  {
    absl::MutexLock lock(&mutex_);
    const auto is_free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !loading_;
    };
    if (!mutex_.AwaitWithDeadline(absl::Condition(&is_free), until)) {
      return absl::DeadlineExceededError("the database is slow");
    }
    if (loading_since_ > since) return absl::OkStatus();
    loading_ = true;
  }
  const absl::Time begin = absl::Now();
  std::shared_ptr<const UserTable> loaded;
  const absl::Status status = database_.ReadFor(
      Until(until), [&](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(loaded, LoadUserTable(connection));
        return absl::OkStatus();
      });
  absl::MutexLock lock(&mutex_);
  loading_ = false;
  RETURN_IF_ERROR(status);
  loading_since_ = begin;
  failing_.store(false, std::memory_order_relaxed);
  if (table_ != nullptr && *table_ == *loaded) return absl::OkStatus();
  if (table_ == nullptr || !SameUsers(*table_, *loaded)) {
    generation_.fetch_add(1, std::memory_order_release);
  }
  table_ = std::move(loaded);
  return absl::OkStatus();
}

void UserCache::NoteFailure(const absl::Status& status) {
  if (failing_.exchange(true, std::memory_order_relaxed)) return;
  LogError("The users cannot be read again, and stay as they were: ",
           status.ToString());
}

void UserCache::LookAgain() {
  absl::Duration wait = kLookInterval;
  absl::MutexLock lock(&look_mutex_);
  while (!look_mutex_.AwaitWithTimeout(absl::Condition(&stopping_), wait)) {
    look_mutex_.Unlock();
    const absl::Time begin = absl::Now();
    const absl::Status status = Load(begin + refresh_max_, begin);
    if (!status.ok()) NoteFailure(status);
    wait = std::max(kLookInterval, kLookShare * (absl::Now() - begin));
    look_mutex_.Lock();
  }
}

}  // namespace millstream::auth
