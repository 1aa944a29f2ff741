// Writes that were given up because others held what they needed for too long:
// somebody's open transaction. What does not need it can be written meanwhile.
#ifndef MILLSTREAM_STORAGE_SQL_HELD_UP_H_
#define MILLSTREAM_STORAGE_SQL_HELD_UP_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"

namespace millstream::storage::sql {

inline constexpr char kHeldUpPayload[] = "millstream.storage.sql.held_up";

// The status, marked as such.
inline absl::Status HeldUp(absl::Status status) {
  status.SetPayload(kHeldUpPayload, absl::Cord());
  return status;
}
inline bool IsHeldUp(const absl::Status& status) {
  return status.GetPayload(kHeldUpPayload).has_value();
}

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_HELD_UP_H_
