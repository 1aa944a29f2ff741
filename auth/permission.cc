#include "auth/permission.h"

#include <algorithm>

#include "base/error.h"

namespace millstream::auth {
namespace {

struct Named {
  Permission permission;
  std::string_view name;
};
constexpr Named kPermissions[] = {
    {Permission::kRead, "READ"},     {Permission::kUse, "USE"},
    {Permission::kEdit, "EDIT"},     {Permission::kManage, "MANAGE"},
    {Permission::kDeny, "DENY"},     {Permission::kNone, "NO_PERMISSIONS"},
};

struct Type {
  std::string_view name;
  // Whether grants may name one thing; else they are on all.
  bool takes_ids;
};
constexpr Type kTypes[] = {
    {kWorkspaceType, false},
    {kExperimentType, true},
    {kModelType, true},
    {kPromptType, true},
    {"scorer", true},
    {"gateway_secret", true},
    {"gateway_endpoint", true},
    {"gateway_model_definition", true},
    {"mcp_server", true},
    {kRunType, false},
    {kTraceType, false},
    {"assessment", false},
    {kLoggedModelType, false},
    {"review_queue", false},
    {kModelVersionType, false},
    {kPromptVersionType, false},
    {"scorer_version", false},
    {"mcp_server_version", false},
};

const Type* FindType(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kTypes), std::end(kTypes),
                   [&](const Type& type) { return type.name == name; });
  return found == std::end(kTypes) ? nullptr : found;
}

}  // namespace

std::optional<Permission> ParsePermission(std::string_view name) {
  for (const Named& each : kPermissions) {
    if (each.name == name) return each.permission;
  }
  return std::nullopt;
}

std::string_view NameOf(Permission permission) {
  for (const Named& each : kPermissions) {
    if (each.permission == permission) return each.name;
  }
  return "";
}

bool Allows(Permission permission, Action action) {
  switch (action) {
    case Action::kRead:
      return permission >= Permission::kRead;
    case Action::kUse:
      return permission >= Permission::kUse;
    case Action::kUpdate:
      return permission >= Permission::kEdit;
    case Action::kDelete:
    case Action::kManage:
      return permission == Permission::kManage;
    case Action::kNotDenied:
      return permission != Permission::kDeny;
  }
  return false;
}

absl::Status CheckType(std::string_view type) {
  if (FindType(type) != nullptr) return absl::OkStatus();
  return InvalidParameter("There is no resource type '", Shown(type), "'.");
}

absl::Status CheckPattern(std::string_view type, std::string_view pattern) {
  if (absl::Status status = CheckType(type); !status.ok()) return status;
  if (pattern == "*" || (!pattern.empty() && FindType(type)->takes_ids)) {
    return absl::OkStatus();
  }
  return InvalidParameter("A grant on '", type,
                          "' takes the pattern '*', not '", Shown(pattern),
                          "'.");
}

absl::Status CheckGrantable(std::string_view type,
                            std::string_view permission) {
  const std::optional<Permission> parsed = ParsePermission(permission);
  if (!parsed.has_value()) {
    return InvalidParameter("There is no permission '", Shown(permission),
                            "'; READ, USE, EDIT, MANAGE and DENY are.");
  }
  if (absl::Status status = CheckType(type); !status.ok()) return status;
  const bool fits = type == kWorkspaceType ? parsed == Permission::kUse ||
                                                 parsed == Permission::kManage
                                           : parsed != Permission::kNone;
  if (fits) return absl::OkStatus();
  return InvalidParameter("'", permission, "' cannot be granted on '", type,
                          "'; ", type == kWorkspaceType ? "USE and MANAGE"
                                                        : "READ, USE, EDIT, "
                                                          "MANAGE and DENY",
                          " can.");
}

std::optional<Permission> Fold(absl::Span<const Grant> grants,
                               const Subject& subject) {
  const Type* type = FindType(subject.type);
  std::optional<Permission> folded;
  for (const Grant& grant : grants) {
    if (type == nullptr || grant.type != subject.type) continue;
    if (grant.pattern != "*" &&
        !(type->takes_ids && grant.pattern == subject.id)) {
      continue;
    }
    if (grant.permission == Permission::kDeny) return Permission::kDeny;
    if (!folded.has_value() || *folded < grant.permission) {
      folded = grant.permission;
    }
  }
  return folded;
}

bool ManagesWorkspace(absl::Span<const Grant> grants) {
  return std::any_of(grants.begin(), grants.end(), [](const Grant& grant) {
    return grant.type == kWorkspaceType && grant.pattern == "*" &&
           grant.permission == Permission::kManage;
  });
}

Permission Governing(absl::Span<const Grant> grants, Permission by_default,
                     const Requirement& requirement) {
  if (ManagesWorkspace(grants)) return Permission::kManage;
  std::optional<Permission> found = Fold(grants, requirement.subject);
  if (!found.has_value() && requirement.fallback.has_value()) {
    found = Fold(grants, *requirement.fallback);
  }
  if (!found.has_value()) return by_default;
  if (*found <= Permission::kNone) return *found;
  return std::max(*found, by_default);
}

bool IsMet(absl::Span<const Grant> grants, Permission by_default,
           const Requirement& requirement) {
  return Allows(Governing(grants, by_default, requirement),
                requirement.action);
}

}  // namespace millstream::auth
