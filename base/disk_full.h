// Failures that say: there is no space on the server's disk. They have no
// ErrorCode (base/error.h), so the log has their text and callers are told what
// to do.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_BASE_DISK_FULL_H_
#define MILLSTREAM_BASE_DISK_FULL_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"

namespace millstream {

// kResourceExhausted; `what` is for the log.
inline absl::Status DiskFullError(std::string_view what) {
  absl::Status status = absl::ResourceExhaustedError(
      absl::string_view(what.data(), what.size()));
  status.SetPayload("millstream.disk_full", absl::Cord());
  return status;
}

inline bool IsDiskFull(const absl::Status& status) {
  return status.GetPayload("millstream.disk_full").has_value();
}

}  // namespace millstream

#endif  // MILLSTREAM_BASE_DISK_FULL_H_
