// What users, roles and grants may be called, and passwords be.
#ifndef MILLSTREAM_AUTH_USER_RULES_H_
#define MILLSTREAM_AUTH_USER_RULES_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace millstream::auth {

// All functions are thread-safe. Every error is INVALID_PARAMETER_VALUE.

// What names of roles that belong to one user begin with.
inline constexpr std::string_view kOwnRolePrefix = "__user_";

absl::Status CheckUserName(std::string_view name);
absl::Status CheckPassword(std::string_view password);
absl::Status CheckRole(std::string_view name,
                       const std::optional<std::string>& description);
absl::Status CheckWorkspace(std::string_view name);
absl::Status CheckGrant(std::string_view type, std::string_view pattern,
                        std::string_view permission);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_USER_RULES_H_
