#include "aws/credentials.h"

#include <algorithm>
#include <limits>

#include "base/log.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

constexpr int64_t kRenewBeforeMs = 10 * 60 * 1000;
// After a source failed while the old keys are still good.
constexpr int64_t kRetryMs = 30'000;
// One failure is told to all who ask within this time.
constexpr int64_t kFailureMs = 1000;

}  // namespace

absl::StatusOr<Credentials> CredentialChain::Fetch() {
  std::string hints;
  for (const auto& source : sources_) {
    absl::StatusOr<Credentials> found = source->Fetch();
    if (!absl::IsNotFound(found.status())) return found;
    if (!found.status().message().empty()) {
      StrAppend(&hints, "; ", StdView(found.status().message()));
    }
  }
  return absl::NotFoundError(StrCat(
      "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a "
      "profile in ~/.aws, or give this machine or container a role",
      hints));
}

CredentialKeeper::CredentialKeeper(std::unique_ptr<CredentialSource> source,
                                   const Clock* clock,
                                   absl::Duration wait_max)
    : source_(std::move(source)), clock_(clock), wait_max_(wait_max) {}

bool CredentialKeeper::MustRenew(int64_t now_ms) const {
  return current_.access_key_id.empty() ||
         (current_.expires_ms != 0 && now_ms >= current_.expires_ms);
}

absl::StatusOr<Credentials> CredentialKeeper::Get() {
  {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !renewing_ || !MustRenew(clock_->NowMs());
    };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&ready), wait_max_)) {
      return absl::DeadlineExceededError(
          "whoever has the AWS credentials takes long to give them");
    }
    const int64_t now_ms = clock_->NowMs();
    if (!MustRenew(now_ms) && (renewing_ || now_ms < renew_ms_)) {
      return current_;
    }
    if (MustRenew(now_ms) && now_ms < failed_until_ms_) return failure_;
    renewing_ = true;
  }
  absl::StatusOr<Credentials> fetched = source_->Fetch();
  absl::MutexLock lock(&mutex_);
  renewing_ = false;
  const int64_t now_ms = clock_->NowMs();
  if (fetched.ok()) {
    current_ = *std::move(fetched);
    renew_ms_ = std::numeric_limits<int64_t>::max();
    if (current_.expires_ms != 0) {
      const int64_t left_ms = current_.expires_ms - now_ms;
      renew_ms_ = current_.expires_ms - std::min(kRenewBeforeMs, left_ms / 2);
    }
    return current_;
  }
  if (MustRenew(now_ms)) {
    failure_ = fetched.status();
    failed_until_ms_ = now_ms + kFailureMs;
    return failure_;
  }
  LogWarning("AWS credentials cannot be renewed yet: ",
             StdView(fetched.status().message()));
  renew_ms_ = now_ms + kRetryMs;
  return current_;
}

void CredentialKeeper::Drop(const Credentials& credentials) {
  absl::MutexLock lock(&mutex_);
  if (current_.access_key_id == credentials.access_key_id &&
      current_.session_token == credentials.session_token) {
    current_ = Credentials();
  }
}

}  // namespace millstream::aws
