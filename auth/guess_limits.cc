#include "auth/guess_limits.h"

#include <algorithm>

#include "base/limits.h"
#include "base/str_cat.h"

namespace millstream::auth {
namespace {

// A full table is looked through this often; in between, room is made at the
// cost of any entry.
constexpr int64_t kSweepMs = 1000;

std::string Pair(std::string_view address, std::string_view user) {
  return StrCat(address, "\n", user);
}

}  // namespace

GuessLimits::GuessLimits()
    : addresses_(limits::kGuessesMax, limits::kGuessMsMin),
      users_(limits::kGuessesMax, limits::kGuessMsMin),
      pairs_(limits::kGuessesOfPairMax, limits::kGuessOfPairMsMin) {}

double GuessLimits::Table::At(const Count& count, int64_t now_ms) const {
  const double fallen = static_cast<double>(now_ms - count.at_ms) /
                        static_cast<double>(ms_per_attempt_);
  return std::max(0.0, count.attempts - std::max(0.0, fallen));
}

int64_t GuessLimits::Table::WaitMs(const std::string& key,
                                   int64_t now_ms) const {
  const auto found = counts_.find(key);
  if (found == counts_.end()) return 0;
  const double over = At(found->second, now_ms) - (attempts_max_ - 1);
  if (over <= 0) return 0;
  return static_cast<int64_t>(over * ms_per_attempt_) + 1;
}

void GuessLimits::Table::Add(const std::string& key, double attempts,
                             int64_t now_ms) {
  auto found = counts_.find(key);
  if (found == counts_.end()) {
    if (attempts <= 0) return;
    MakeRoom(now_ms);
    found = counts_.emplace(key, Count{0, now_ms}).first;
  }
  Count& count = found->second;
  count.attempts = std::max(0.0, At(count, now_ms) + attempts);
  count.at_ms = now_ms;
  if (count.attempts == 0) counts_.erase(found);
}

void GuessLimits::Table::MakeRoom(int64_t now_ms) {
  if (counts_.size() < limits::kGuessersMax) return;
  if (now_ms - swept_ms_ >= kSweepMs) {
    swept_ms_ = now_ms;
    absl::erase_if(counts_, [&](const auto& entry) {
      return At(entry.second, now_ms) == 0;
    });
  }
  if (counts_.size() >= limits::kGuessersMax) counts_.erase(counts_.begin());
}

bool GuessLimits::IsKnown(const std::string& pair, int64_t now_ms) const {
  const auto found = known_.find(pair);
  return found != known_.end() &&
         now_ms - found->second < limits::kKnownPairMsMax;
}

int64_t GuessLimits::TakeOrWaitMs(std::string_view address,
                                  std::string_view user, int64_t now_ms) {
  const std::string pair = Pair(address, user);
  const std::string by_address(address);
  const std::string by_user(user);
  absl::MutexLock lock(&mutex_);
  const bool known = IsKnown(pair, now_ms);
  int64_t wait_ms = pairs_.WaitMs(pair, now_ms);
  if (!known) {
    wait_ms = std::max({wait_ms, addresses_.WaitMs(by_address, now_ms),
                        users_.WaitMs(by_user, now_ms)});
  }
  if (wait_ms > 0) return wait_ms;
  pairs_.Add(pair, 1, now_ms);
  if (!known) {
    addresses_.Add(by_address, 1, now_ms);
    users_.Add(by_user, 1, now_ms);
  }
  return 0;
}

void GuessLimits::WasRight(std::string_view address, std::string_view user,
                           int64_t now_ms) {
  const std::string pair = Pair(address, user);
  absl::MutexLock lock(&mutex_);
  pairs_.Add(pair, -1, now_ms);
  if (!IsKnown(pair, now_ms)) {
    addresses_.Add(std::string(address), -1, now_ms);
    users_.Add(std::string(user), -1, now_ms);
    if (known_.size() >= limits::kGuessersMax) known_.erase(known_.begin());
  }
  known_[pair] = now_ms;
}

size_t GuessLimits::size() const {
  absl::MutexLock lock(&mutex_);
  return addresses_.size() + users_.size() + pairs_.size() + known_.size();
}

}  // namespace millstream::auth
