// Where callers say who they are: the one place that both doors ask.
#ifndef MILLSTREAM_AUTH_GATE_H_
#define MILLSTREAM_AUTH_GATE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "auth/credentials.h"
#include "auth/guess_limits.h"
#include "auth/identity.h"
#include "auth/user_source.h"
#include "base/clock.h"
#include "base/thread_pool.h"

namespace millstream::auth {

// Thread-safe. Credentials that were right are remembered by a keyed hash,
// until nobody has sent them for a minute or the users change; so a call costs
// a look into memory, and a password is put through its slow hash once. That
// happens on threads of the gate's own, few of them: no worker of a door waits
// for it, and who is known does not wait for those who guess.
class Gate {
 public:
  // `clock` must outlive this.
  Gate(std::shared_ptr<UserSource> users, const Clock* clock);

  // The verdict on an Authorization header (empty if there is none), if it
  // takes no thinking. Does not block.
  std::optional<Verdict> Recall(std::string_view authorization);

  // The verdict on one that Recall() does not know. `peer` is the address of
  // the caller, with or without a port. `done` is called once: before this
  // returns or from a thread of the gate; it must not block.
  void Check(std::string_view authorization, std::string_view peer,
             std::function<void(Verdict)> done);

  // Asks a user who was let in for the password once more: UNAUTHENTICATED if
  // it is another one. Guesses count as those of Check() do, and get the same
  // errors. Blocks for as long as the user's hash takes.
  absl::Status AskAgain(std::string_view user, std::string_view password,
                        std::string_view peer);

  // For calls that last: whether a caller who was let in would be so still. It
  // may be another answer once generation() is another number. Neither blocks.
  bool Holds(const Identity& identity) { return users_->Holds(identity); }
  uint64_t generation() { return users_->generation(); }

 private:
  struct Known {
    IdentityPtr identity;
    uint64_t generation = 0;
    int64_t until_ms = 0;
  };
  using Waiting = std::vector<std::function<void(Verdict)>>;

  // What the users say of credentials whose guess was taken.
  Verdict Judge(const Credentials& credentials, const std::string& address);
  void Verify(const Fingerprint& fingerprint, const Credentials& credentials,
              const std::string& address);
  void Remember(const Fingerprint& fingerprint, Known known)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<UserSource> users_;
  const Clock* const clock_;
  GuessLimits guesses_;
  absl::Mutex mutex_;
  absl::flat_hash_map<Fingerprint, Known> known_ ABSL_GUARDED_BY(mutex_);
  // Keys of known_, the oldest first.
  std::deque<Fingerprint> order_ ABSL_GUARDED_BY(mutex_);
  // Who waits for a check that is under way.
  absl::flat_hash_map<Fingerprint, Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  // Goes first.
  ThreadPool pool_;
};

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_GATE_H_
