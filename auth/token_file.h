// Tokens that callers may send instead of a name and password.
#ifndef MILLSTREAM_AUTH_TOKEN_FILE_H_
#define MILLSTREAM_AUTH_TOKEN_FILE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "auth/identity.h"
#include "auth/watched_file.h"
#include "base/clock.h"

namespace millstream::auth {

// Names of users by the SHA-256 of their tokens, in small hexadecimal digits.
using Tokens = absl::flat_hash_map<std::string, std::string>;

// Reads lines "user:sha256:<64 hexadecimal digits>"; empty lines and those that
// start with "#" count for nothing. A user may have several. INVALID_ARGUMENT
// with the number of the line for anything else, and for a token that is there
// twice.
absl::StatusOr<Tokens> ParseTokens(std::string_view text);

// The tokens of a file, which is looked at once a second and read again when it
// has changed; a change that cannot be read is told in the log and not taken.
//
// Thread-safe. Tokens are long and random, so one quick hash of them is enough:
// nobody can try them out.
class TokenFile {
 public:
  // INVALID_ARGUMENT naming the flag. `clock` must outlive the result.
  static absl::StatusOr<std::unique_ptr<TokenFile>> Open(std::string path,
                                                         const Clock* clock);

  TokenFile(std::string path, const Clock* clock);

  // UNAUTHENTICATED unless the token is there.
  Verdict Find(std::string_view token);
  // Whether the token that Find() gave this identity for is there still.
  bool Holds(const Identity& identity);

  // Another number whenever tokens may have gone.
  uint64_t generation();

 private:
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int64_t> looked_ms_{0};
  absl::Mutex mutex_;
  WatchedFile file_ ABSL_GUARDED_BY(mutex_);
  Tokens tokens_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_TOKEN_FILE_H_
