#include "auth/htpasswd_file.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "auth/credentials.h"
#include "auth/password_hash.h"
#include "auth/watched_file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::auth {
namespace {

// How often the file is looked at.
constexpr int64_t kLookMs = 1000;

absl::Status AtLine(int line, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("line ", line, " has ", what));
}

class HtpasswdFile final : public UserSource {
 public:
  HtpasswdFile(std::string path, const Clock* clock)
      : clock_(clock), file_(std::move(path), limits::kUserFileBytesMax) {}

  absl::Status Load() {
    absl::MutexLock lock(&mutex_);
    looked_ms_ = clock_->NowMs();
    return Read();
  }

  Verdict Verify(std::string_view user, std::string_view password) override {
    std::string hash, dearest;
    bool known = false;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = users_->find(AbslView(user));
      known = found != users_->end();
      dearest = dearest_;
      hash = known ? found->second : dearest;
    }
    const bool right = Matches(password, hash);
    // How long it takes must not tell who is there: of nobody's password as
    // long as of the one that takes longest, and no less of any that is wrong.
    if (!right && CostOf(hash) < CostOf(dearest)) Matches(password, dearest);
    if (!known || !right) return WrongCredentials();
    return std::make_shared<Identity>(
        Identity{std::string(user), std::move(hash)});
  }

  bool Holds(const Identity& identity) override {
    absl::MutexLock lock(&mutex_);
    const auto found = users_->find(identity.user);
    return found != users_->end() && found->second == identity.proof;
  }

  uint64_t generation() override {
    const int64_t now_ms = clock_->NowMs();
    if (now_ms - looked_ms_.load(std::memory_order_relaxed) >= kLookMs) {
      Look(now_ms);
    }
    return generation_.load(std::memory_order_acquire);
  }

 private:
  void Look(int64_t now_ms) {
    absl::MutexLock lock(&mutex_);
    if (now_ms - looked_ms_ < kLookMs) return;
    looked_ms_ = now_ms;
    if (!file_.HasChanged()) return;
    if (absl::Status status = Read(); !status.ok()) {
      LogError("--htpasswd-file: ", status.message(),
               "; the users stay as they were.");
    } else {
      LogInfo("--htpasswd-file: read again, ", users_->size(), " users.");
    }
  }

  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ASSIGN_OR_RETURN(const std::string text, file_.Read());
    absl::StatusOr<Users> users = ParseHtpasswd(text);
    if (!users.ok()) {
      return absl::InvalidArgumentError(
          StrCat("'", file_.path(), "' ", users.status().message()));
    }
    users_ = std::make_unique<Users>(*std::move(users));
    dearest_ = std::max_element(users_->begin(), users_->end(),
                                [](const auto& one, const auto& other) {
                                  return CostOf(one.second) <
                                         CostOf(other.second);
                                })
                   ->second;
    generation_.fetch_add(1, std::memory_order_release);
    return absl::OkStatus();
  }

  const Clock* const clock_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int64_t> looked_ms_{0};
  absl::Mutex mutex_;
  WatchedFile file_ ABSL_GUARDED_BY(mutex_);
  // Never empty once loaded.
  std::unique_ptr<Users> users_ ABSL_GUARDED_BY(mutex_);
  // The hash of theirs that takes longest.
  std::string dearest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<Users> ParseHtpasswd(std::string_view text) {
  Users users;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(AbslView(text), '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(':');
    if (colon == 0 || colon == absl::string_view::npos ||
        colon > limits::kUserNameBytesMax) {
      return AtLine(number, "no \"user:hash\"");
    }
    const std::string_view hash = StdView(line.substr(colon + 1));
    if (absl::Status status = CheckHash(hash); !status.ok()) {
      return AtLine(number, StdView(status.message()));
    }
    if (users.size() == limits::kUserFileUsersMax) {
      return AtLine(number, StrCat("one user more than the ",
                                   limits::kUserFileUsersMax, " there may be"));
    }
    if (!users.emplace(line.substr(0, colon), hash).second) {
      return AtLine(number, "a user who is there already");
    }
  }
  if (users.empty()) return absl::InvalidArgumentError("has no users");
  return users;
}

absl::StatusOr<std::unique_ptr<UserSource>> OpenHtpasswdFile(
    std::string path, const Clock* clock) {
  auto file = std::make_unique<HtpasswdFile>(std::move(path), clock);
  if (absl::Status status = file->Load(); !status.ok()) {
    return absl::InvalidArgumentError(
        StrCat("--htpasswd-file: ", status.message(), "."));
  }
  return file;
}

}  // namespace millstream::auth
