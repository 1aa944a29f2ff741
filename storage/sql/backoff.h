// Waiting between attempts at a database that is away for a while: longer each
// time, and not all callers at the same moment.
#ifndef MILLSTREAM_STORAGE_SQL_BACKOFF_H_
#define MILLSTREAM_STORAGE_SQL_BACKOFF_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/liveness.h"

namespace millstream::storage::sql {

// Not thread-safe.
class Backoff {
 public:
  // Waits grow from `first` to `longest`, doubled each time.
  Backoff(absl::Duration first, absl::Duration longest)
      : next_(first), longest_(longest) {}

  // How long to wait now: between half of the step and all of it.
  absl::Duration Next();

 private:
  absl::Duration next_;
  const absl::Duration longest_;
};

// Sleeps, unless `caller` no longer waits: then returns what it says.
// Thread-safe.
absl::Status SleepFor(absl::Duration duration, const Liveness& caller);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_BACKOFF_H_
