#include "auth/user_rules.h"

#include "auth/permission.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace millstream::auth {
namespace {

// MLflow's.
constexpr size_t kPasswordLengthMin = 12;
// Widths of the columns.
constexpr size_t kNameBytesMax = 255;
constexpr size_t kDescriptionBytesMax = 1024;
constexpr size_t kWorkspaceBytesMax = 63;

absl::Status CheckName(std::string_view what, std::string_view name,
                       size_t bytes_max = kNameBytesMax) {
  if (!name.empty() && name.size() <= bytes_max) return absl::OkStatus();
  return InvalidParameter("The ", what, " must have 1 to ", bytes_max,
                          " bytes.");
}

}  // namespace

absl::Status CheckUserName(std::string_view name) {
  RETURN_IF_ERROR(CheckName("user name", name));
  if (name.find(':') != std::string_view::npos) {
    return InvalidParameter("A user name must not have a colon.");
  }
  return absl::OkStatus();
}

absl::Status CheckPassword(std::string_view password) {
  if (CountCharacters(password) < kPasswordLengthMin ||
      password.size() > limits::kPasswordBytesMax) {
    return InvalidParameter("A password must have at least ",
                            kPasswordLengthMin, " characters and at most ",
                            limits::kPasswordBytesMax, " bytes.");
  }
  return absl::OkStatus();
}

absl::Status CheckRole(std::string_view name,
                       const std::optional<std::string>& description) {
  RETURN_IF_ERROR(CheckName("role's name", name));
  if (name.substr(0, kOwnRolePrefix.size()) == kOwnRolePrefix) {
    return InvalidParameter("Names of roles must not begin with '",
                            kOwnRolePrefix,
                            "': those are of the users' own.");
  }
  if (description.has_value() && description->size() > kDescriptionBytesMax) {
    return InvalidParameter("The description has more than ",
                            kDescriptionBytesMax, " bytes.");
  }
  return absl::OkStatus();
}

absl::Status CheckWorkspace(std::string_view name) {
  return CheckName("workspace", name, kWorkspaceBytesMax);
}

absl::Status CheckGrant(std::string_view type, std::string_view pattern,
                        std::string_view permission) {
  RETURN_IF_ERROR(CheckGrantable(type, permission));
  RETURN_IF_ERROR(CheckPattern(type, pattern));
  return CheckName("pattern", pattern);
}

}  // namespace millstream::auth
