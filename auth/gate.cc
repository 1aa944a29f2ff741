#include "auth/gate.h"

#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str_cat.h"

namespace millstream::auth {
namespace {

absl::Status TooManyGuesses(int64_t wait_ms) {
  return MakeError(v1::RESOURCE_EXHAUSTED,
                   StrCat("Too many wrong passwords; try again in ",
                          (wait_ms + 999) / 1000, " seconds."));
}

absl::Status Overloaded() {
  return MakeError(v1::TEMPORARILY_UNAVAILABLE,
                   "More passwords wait to be checked than the server takes; "
                   "try again.");
}

// Whom guesses are counted for: of tokens, the address alone.
std::string GuessedBy(const Credentials& credentials,
                      const std::string& address) {
  return credentials.is_token ? StrCat("token from ", address)
                              : credentials.user;
}

}  // namespace

Gate::Gate(std::shared_ptr<UserSource> users, const Clock* clock)
    : users_(std::move(users)),
      clock_(clock),
      pool_(limits::kPasswordChecksMax, limits::kPasswordChecksWaitingMax) {}

std::optional<Verdict> Gate::Recall(std::string_view authorization) {
  if (authorization.empty()) return NoCredentials();
  const Fingerprint fingerprint = FingerprintOf(authorization);
  const uint64_t generation = users_->generation();
  const int64_t now_ms = clock_->NowMs();
  const auto is_known = [&](const Known& known) {
    return known.generation == generation && known.until_ms > now_ms;
  };
  IdentityPtr identity;
  {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = known_.find(fingerprint);
    if (found == known_.end() || !is_known(found->second)) return std::nullopt;
    identity = found->second.identity;
    if (found->second.until_ms - now_ms > limits::kKnownCredentialsMsMax / 2) {
      return identity;
    }
  }
  // Who goes on calling is not asked to wait behind those who guess.
  absl::MutexLock lock(&mutex_);
  const auto found = known_.find(fingerprint);
  if (found != known_.end() && is_known(found->second)) {
    found->second.until_ms = now_ms + limits::kKnownCredentialsMsMax;
  }
  return identity;
}

void Gate::Check(std::string_view authorization, std::string_view peer,
                 std::function<void(Verdict)> done) {
  std::optional<Credentials> credentials = ParseAuthorization(authorization);
  if (!credentials.has_value()) {
    done(WrongCredentials());
    return;
  }
  std::string address = AddressOf(peer);
  const std::string guessed = GuessedBy(*credentials, address);
  const Fingerprint fingerprint = FingerprintOf(authorization);
  int64_t wait_ms = 0;
  {
    absl::MutexLock lock(&mutex_);
    // A check that is under way does for all who ask the same.
    if (const auto found = waiting_.find(fingerprint);
        found != waiting_.end()) {
      found->second.push_back(std::move(done));
      return;
    }
    wait_ms = guesses_.TakeOrWaitMs(address, guessed, clock_->NowMs());
    if (wait_ms == 0) waiting_[fingerprint].push_back(done);
  }
  if (wait_ms > 0) {
    done(TooManyGuesses(wait_ms));
    return;
  }
  const auto check = [this, fingerprint, credentials = *std::move(credentials),
                      address = std::move(address)] {
    Verify(fingerprint, credentials, address);
  };
  if (pool_.Post(check)) return;
  Waiting waiting;
  {
    absl::MutexLock lock(&mutex_);
    waiting = std::move(waiting_[fingerprint]);
    waiting_.erase(fingerprint);
  }
  for (const auto& each : waiting) each(Overloaded());
}

absl::Status Gate::AskAgain(std::string_view user, std::string_view password,
                            std::string_view peer) {
  const Credentials credentials = {.user = std::string(user),
                                   .secret = std::string(password)};
  const std::string address = AddressOf(peer);
  const int64_t wait_ms = guesses_.TakeOrWaitMs(
      address, GuessedBy(credentials, address), clock_->NowMs());
  if (wait_ms > 0) return TooManyGuesses(wait_ms);
  return Judge(credentials, address).status();
}

Verdict Gate::Judge(const Credentials& credentials,
                    const std::string& address) {
  Verdict verdict = users_->Verify(credentials.user, credentials.secret);
  if (verdict.ok()) {
    guesses_.WasRight(address, GuessedBy(credentials, address),
                      clock_->NowMs());
  } else if (GetErrorCode(verdict.status()) == v1::UNAUTHENTICATED) {
    LogWarning(credentials.is_token ? "A wrong token" : "A wrong password for ",
               Shown(credentials.user), " from ", address, ".");
  } else {
    LogError("Passwords cannot be checked: ", verdict.status().ToString());
    verdict = MakeError(v1::TEMPORARILY_UNAVAILABLE,
                        "Passwords cannot be checked at the moment.");
  }
  return verdict;
}

void Gate::Verify(const Fingerprint& fingerprint,
                  const Credentials& credentials, const std::string& address) {
  const uint64_t generation = users_->generation();
  const Verdict verdict = Judge(credentials, address);
  const int64_t now_ms = clock_->NowMs();
  Waiting waiting;
  {
    absl::MutexLock lock(&mutex_);
    if (verdict.ok()) {
      Remember(fingerprint, {*verdict, generation,
                             now_ms + limits::kKnownCredentialsMsMax});
    }
    waiting = std::move(waiting_[fingerprint]);
    waiting_.erase(fingerprint);
  }
  for (const auto& done : waiting) done(verdict);
}

void Gate::Remember(const Fingerprint& fingerprint, Known known) {
  const bool is_new =
      known_.insert_or_assign(fingerprint, std::move(known)).second;
  if (!is_new) return;
  order_.push_back(fingerprint);
  if (order_.size() > limits::kKnownCredentialsMax) {
    known_.erase(order_.front());
    order_.pop_front();
  }
}

}  // namespace millstream::auth
