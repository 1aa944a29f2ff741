// Where keys come from, and the keys in use.
#ifndef MILLSTREAM_AWS_CREDENTIALS_H_
#define MILLSTREAM_AWS_CREDENTIALS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "aws/signer.h"
#include "base/clock.h"

namespace millstream::aws {

// One place that keys come from. Used by one thread at a time.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;

  // Gets keys anew. NOT_FOUND: this place is not set up, so another may have
  // them; with a message if it looks as if it should be. Any other error: it
  // is, and does not give them. Messages name the place and what to change, and
  // never a secret.
  virtual absl::StatusOr<Credentials> Fetch() = 0;
};

// The first of several that is set up; NOT_FOUND, saying what to set up, if
// none is. Thread-compatible.
class CredentialChain final : public CredentialSource {
 public:
  explicit CredentialChain(
      std::vector<std::unique_ptr<CredentialSource>> sources)
      : sources_(std::move(sources)) {}

  absl::StatusOr<Credentials> Fetch() override;

 private:
  const std::vector<std::unique_ptr<CredentialSource>> sources_;
};

// Keys for whoever signs: kept, and renewed before they expire. Thread-safe.
class CredentialKeeper {
 public:
  // `clock` outlives this. `wait_max`: see Get.
  CredentialKeeper(std::unique_ptr<CredentialSource> source,
                   const Clock* clock,
                   absl::Duration wait_max = absl::Seconds(10));

  // Keys that are good for a while: they are renewed by the first who asks
  // when ten minutes are left (half of their life, if that is shorter), while
  // others go on with the old. While there are none that are good, others wait
  // for him, but not for longer than `wait_max`: kDeadlineExceeded then. The
  // source's error if it has none.
  absl::StatusOr<Credentials> Get();

  // Gets these keys anew next time: a service says that they have expired.
  void Drop(const Credentials& credentials);

 private:
  bool MustRenew(int64_t now_ms) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<CredentialSource> source_;
  const Clock* const clock_;
  const absl::Duration wait_max_;
  absl::Mutex mutex_;
  Credentials current_ ABSL_GUARDED_BY(mutex_);
  int64_t renew_ms_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  int64_t failed_until_ms_ ABSL_GUARDED_BY(mutex_) = 0;
  // Somebody is at the source.
  bool renewing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_CREDENTIALS_H_
