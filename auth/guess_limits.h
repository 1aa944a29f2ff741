// Slows down who guesses passwords.
#ifndef MILLSTREAM_AUTH_GUESS_LIMITS_H_
#define MILLSTREAM_AUTH_GUESS_LIMITS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace millstream::auth {

// Thread-safe. Counts attempts by address, by user, and by both together. Each
// count falls with time; above its limit (limits::kGuessesMax and so on) an
// attempt must wait. Right passwords do not count, and where one was given
// lately only the address and user together count: nobody locks a user out
// from elsewhere, and no neighbour behind the same address does.
class GuessLimits {
 public:
  GuessLimits();

  // Takes an attempt; or, if there were too many, says after how many
  // milliseconds the next may be made.
  int64_t TakeOrWaitMs(std::string_view address, std::string_view user,
                       int64_t now_ms);

  // The attempt that was taken was right.
  void WasRight(std::string_view address, std::string_view user,
                int64_t now_ms);

  // Entries in all.
  size_t size() const;

 private:
  struct Count {
    double attempts = 0;
    int64_t at_ms = 0;
  };
  // Counts, of which each falls by one in `ms_per_attempt`; no more of them
  // than limits::kGuessersMax.
  class Table {
   public:
    Table(int attempts_max, int64_t ms_per_attempt)
        : attempts_max_(attempts_max), ms_per_attempt_(ms_per_attempt) {}
    int64_t WaitMs(const std::string& key, int64_t now_ms) const;
    void Add(const std::string& key, double attempts, int64_t now_ms);
    size_t size() const { return counts_.size(); }

   private:
    double At(const Count& count, int64_t now_ms) const;
    void MakeRoom(int64_t now_ms);

    const int attempts_max_;
    const int64_t ms_per_attempt_;
    absl::flat_hash_map<std::string, Count> counts_;
    int64_t swept_ms_ = 0;
  };

  bool IsKnown(const std::string& pair, int64_t now_ms) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  Table addresses_ ABSL_GUARDED_BY(mutex_);
  Table users_ ABSL_GUARDED_BY(mutex_);
  Table pairs_ ABSL_GUARDED_BY(mutex_);
  // Pairs that were right, and when.
  absl::flat_hash_map<std::string, int64_t> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_GUESS_LIMITS_H_
