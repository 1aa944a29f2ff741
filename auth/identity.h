// Who a caller is.
#ifndef MILLSTREAM_AUTH_IDENTITY_H_
#define MILLSTREAM_AUTH_IDENTITY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace millstream::auth {

// Immutable, so thread-safe.
struct Identity {
  std::string user;
  // What the caller was known by: whoever gave the identity out can tell
  // whether it still holds. For nobody else.
  std::string proof = {};
};

using IdentityPtr = std::shared_ptr<const Identity>;

// Who it is; or UNAUTHENTICATED, RESOURCE_EXHAUSTED for who guesses too often,
// TEMPORARILY_UNAVAILABLE if it cannot be told now.
using Verdict = absl::StatusOr<IdentityPtr>;

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_IDENTITY_H_
