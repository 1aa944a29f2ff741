#include "storage/sql/backoff.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"

namespace millstream::storage::sql {
namespace {

// How often who sleeps asks whether its caller still waits.
constexpr absl::Duration kLivenessInterval = absl::Milliseconds(50);

}  // namespace

absl::Duration Backoff::Next() {
  thread_local absl::BitGen random;
  const absl::Duration step = next_;
  next_ = std::min(next_ * 2, longest_);
  return step * absl::Uniform(random, 0.5, 1.0);
}

absl::Status SleepFor(absl::Duration duration, const Liveness& caller) {
  for (;;) {
    RETURN_IF_ERROR(caller.Alive());
    if (duration <= absl::ZeroDuration()) return absl::OkStatus();
    const absl::Duration slice = std::min(duration, kLivenessInterval);
    absl::SleepFor(slice);
    duration -= slice;
  }
}

}  // namespace millstream::storage::sql
