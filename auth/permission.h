// What grants allow: MLflow's levels, and its rules for which grant decides.
#ifndef MILLSTREAM_AUTH_PERMISSION_H_
#define MILLSTREAM_AUTH_PERMISSION_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace millstream::auth {

// All functions are thread-safe.

// MLflow's, from the least. kDeny is an explicit no that no other grant on the
// same thing lifts.
enum class Permission { kDeny, kNone, kRead, kUse, kEdit, kManage };

// "READ" and so on; "NO_PERMISSIONS" is kNone.
std::optional<Permission> ParsePermission(std::string_view name);
std::string_view NameOf(Permission permission);

enum class Action { kRead, kUse, kUpdate, kDelete, kManage, kNotDenied };
bool Allows(Permission permission, Action action);

// A kind of thing and one of them, or "*" for all. Borrows.
struct Subject {
  std::string_view type;
  std::string_view id;
};

// Types that routes of ours are about. The rest of MLflow's can be granted,
// and have no effect here.
inline constexpr std::string_view kExperimentType = "experiment";
inline constexpr std::string_view kModelType = "registered_model";
inline constexpr std::string_view kPromptType = "prompt";
inline constexpr std::string_view kRunType = "run";
inline constexpr std::string_view kTraceType = "trace";
inline constexpr std::string_view kLoggedModelType = "logged_model";
inline constexpr std::string_view kModelVersionType =
    "registered_model_version";
inline constexpr std::string_view kPromptVersionType = "prompt_version";
inline constexpr std::string_view kWorkspaceType = "workspace";

// INVALID_PARAMETER_VALUE for a type that MLflow does not have, and for a
// pattern or a permission that a grant on the type cannot have: parts of
// others (runs, versions) take "*" alone, and workspaces USE and MANAGE.
absl::Status CheckType(std::string_view type);
absl::Status CheckPattern(std::string_view type, std::string_view pattern);
absl::Status CheckGrantable(std::string_view type, std::string_view permission);

// A permission on what `pattern` ("*" or an id) says.
struct Grant {
  std::string type;
  std::string pattern;
  Permission permission;

  bool operator==(const Grant&) const = default;
};

// What several grants on a subject come to: kDeny if there is one, else the
// highest; nothing if no grant is about it.
std::optional<Permission> Fold(absl::Span<const Grant> grants,
                               const Subject& subject);

// Whether the grants make somebody the administrator of the workspace: all is
// allowed then.
bool ManagesWorkspace(absl::Span<const Grant> grants);

// One thing that a call demands. If no grant is about `subject`, those about
// `fallback` decide, if there is one; if none is about that either, the
// server's default does. No grant but a denial gives less than the default.
struct Requirement {
  Subject subject;
  Action action;
  std::optional<Subject> fallback;
};
Permission Governing(absl::Span<const Grant> grants, Permission by_default,
                     const Requirement& requirement);
bool IsMet(absl::Span<const Grant> grants, Permission by_default,
           const Requirement& requirement);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_PERMISSION_H_
