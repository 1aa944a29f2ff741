#include "server/user_service.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "base/limits.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "server/method_table.h"

namespace millstream::server {
namespace {

using Table = std::shared_ptr<const auth::UserTable>;

absl::StatusOr<const auth::User*> FindUser(const Table& table,
                                           std::string_view name) {
  const auth::User* user = table->Find(name);
  if (user != nullptr) return user;
  return DoesNotExist("There is no user '", Shown(name), "'.");
}

absl::StatusOr<const auth::Role*> FindRole(const Table& table, int64_t id) {
  const auto found = table->roles.find(id);
  if (found != table->roles.end()) return &found->second;
  return DoesNotExist("There is no role with id ", id, ".");
}

template <typename M>
void FillUser(const auth::User& user, M* out) {
  out->set_id(user.id);
  out->set_username(user.name);
  out->set_is_admin(user.is_admin);
}

void FillGrantOf(const auth::RoleGrant& grant, v1::RolePermission* out) {
  out->set_id(grant.id);
  out->set_role_id(grant.role_id);
  out->set_resource_type(grant.grant.type);
  out->set_resource_pattern(grant.grant.pattern);
  out->set_permission(std::string(auth::NameOf(grant.grant.permission)));
}

void FillRoleOf(const auth::Role& role, v1::Role* out) {
  out->set_id(role.id);
  out->set_name(role.name);
  out->set_workspace(role.workspace);
  if (role.description.has_value()) out->set_description(*role.description);
  for (const auth::RoleGrant& grant : role.grants) {
    FillGrantOf(grant, out->add_permissions());
  }
}

std::string_view CallerOf(const CallContext& context) {
  return context.identity()->user;
}

}  // namespace

void UserService::Register(MethodTable* methods) {
  methods->Service(
      v1::CreateUserRequest::descriptor()->file()->FindServiceByName(
          "UserService"));
  const auto bind = [&](std::string_view rpc, auto method) {
    methods->Unary(rpc, this, method);
  };
  bind("CreateUser", &UserService::CreateUser);
  bind("GetUser", &UserService::GetUser);
  bind("GetCurrentUser", &UserService::GetCurrentUser);
  bind("ListUsers", &UserService::ListUsers);
  bind("UpdateUserPassword", &UserService::UpdateUserPassword);
  bind("UpdateUserAdmin", &UserService::UpdateUserAdmin);
  bind("DeleteUser", &UserService::DeleteUser);
  bind("ListCurrentUserPermissions", &UserService::ListCurrentUserPermissions);
  bind("ListUserPermissions", &UserService::ListUserPermissions);
  bind("GrantUserPermission", &UserService::GrantUserPermission);
  bind("RevokeUserPermission", &UserService::RevokeUserPermission);
  bind("GetUserPermission", &UserService::GetUserPermission);
  bind("CreateRole", &UserService::CreateRole);
  bind("GetRole", &UserService::GetRole);
  bind("ListRoles", &UserService::ListRoles);
  bind("UpdateRole", &UserService::UpdateRole);
  bind("DeleteRole", &UserService::DeleteRole);
  bind("AddRolePermission", &UserService::AddRolePermission);
  bind("RemoveRolePermission", &UserService::RemoveRolePermission);
  bind("ListRolePermissions", &UserService::ListRolePermissions);
  bind("UpdateRolePermission", &UserService::UpdateRolePermission);
  bind("AssignRole", &UserService::AssignRole);
  bind("UnassignRole", &UserService::UnassignRole);
  bind("ListUserRoles", &UserService::ListUserRoles);
  bind("ListRoleUsers", &UserService::ListRoleUsers);
}

std::shared_ptr<const auth::UserTable> UserService::Now() const {
  users_.Refresh();
  return users_.table();
}

Rights UserService::RightsOf(const CallContext& context) const {
  return authorizer_.RightsOf(CallerOf(context));
}

absl::Status UserService::CheckSeesRoles(const CallContext& context) const {
  const Rights rights = RightsOf(context);
  if (rights.is_admin() ||
      (rights.user() != nullptr && !rights.user()->roles.empty())) {
    return absl::OkStatus();
  }
  return PermissionDenied();
}

bool UserService::Manages(const CallContext& context) const {
  return RightsOf(context).may_all();
}

absl::Status UserService::CreateUser(CallContext&,
                                     const v1::CreateUserRequest& request,
                                     v1::CreateUserResponse* response) {
  RETURN_IF_ERROR(users_.CreateUser(request.username(), request.password(),
                                    /*is_admin=*/false));
  const Table table = Now();
  ASSIGN_OR_RETURN(const auth::User* user, FindUser(table, request.username()));
  FillUser(*user, response->mutable_user());
  return absl::OkStatus();
}

absl::Status UserService::GetUser(CallContext&,
                                  const v1::GetUserRequest& request,
                                  v1::GetUserResponse* response) {
  const Table table = Now();
  ASSIGN_OR_RETURN(const auth::User* user, FindUser(table, request.username()));
  FillUser(*user, response->mutable_user());
  return absl::OkStatus();
}

absl::Status UserService::GetCurrentUser(CallContext& context,
                                         const v1::GetCurrentUserRequest&,
                                         v1::GetCurrentUserResponse* response) {
  const Table table = Now();
  ASSIGN_OR_RETURN(const auth::User* user, FindUser(table, CallerOf(context)));
  FillUser(*user, response->mutable_user());
  response->set_is_basic_auth(true);
  return absl::OkStatus();
}

absl::Status UserService::ListUsers(CallContext& context,
                                    const v1::ListUsersRequest&,
                                    v1::ListUsersResponse* response) {
  const Table table = Now();
  std::map<int64_t, const auth::User*> by_id;
  for (const auto& [name, user] : table->users) by_id[user.id] = &user;
  const bool manages = Manages(context);
  for (const auto& [id, user] : by_id) {
    v1::ListedUser* listed = response->add_users();
    FillUser(*user, listed);
    if (!manages && user->name != CallerOf(context)) continue;
    for (const int64_t role : user->roles) {
      FillRoleOf(table->roles.at(role), listed->add_roles());
    }
  }
  return absl::OkStatus();
}

absl::Status UserService::UpdateUserPassword(
    CallContext& context, const v1::UpdateUserPasswordRequest& request,
    v1::UpdateUserPasswordResponse*) {
  if (request.username() != CallerOf(context)) {
    return users_.SetPassword(request.username(), request.password());
  }
  const int others = changing_.fetch_add(1);
  absl::Status status =
      others < limits::kOwnPasswordChangesMax
          ? ChangeOwnPassword(context, request)
          : MakeError(v1::TEMPORARILY_UNAVAILABLE,
                      "More passwords are being changed than the server takes "
                      "at once; try again.");
  changing_.fetch_sub(1);
  return status;
}

absl::Status UserService::ChangeOwnPassword(
    const CallContext& context, const v1::UpdateUserPasswordRequest& request) {
  // Somebody at an unlocked screen must not take the account over.
  if (request.current_password().empty()) {
    return InvalidParameter(
        "To change your own password, give 'current_password' too.");
  }
  const absl::Status asked = gate_.AskAgain(
      request.username(), request.current_password(), context.peer());
  if (!asked.ok()) {
    return GetErrorCode(asked) == v1::UNAUTHENTICATED
               ? InvalidParameter("The current password is another one.")
               : asked;
  }
  if (request.password() == request.current_password()) {
    return InvalidParameter("The new password is the current one.");
  }
  return users_.SetPassword(request.username(), request.password());
}

absl::Status UserService::UpdateUserAdmin(
    CallContext&, const v1::UpdateUserAdminRequest& request,
    v1::UpdateUserAdminResponse*) {
  return users_.SetAdmin(request.username(), request.is_admin());
}

absl::Status UserService::DeleteUser(CallContext& context,
                                     const v1::DeleteUserRequest& request,
                                     v1::DeleteUserResponse*) {
  if (request.username() == CallerOf(context)) {
    return MakeError(v1::BAD_REQUEST,
                     "Nobody deletes himself; ask another administrator.");
  }
  return users_.DeleteUser(request.username());
}

absl::Status UserService::FillPermissions(
    std::string_view name, v1::ListUserPermissionsResponse* response) {
  const Table table = Now();
  ASSIGN_OR_RETURN(const auth::User* user, FindUser(table, name));
  response->set_is_admin(user->is_admin);
  for (const int64_t id : user->roles) {
    const auth::Role& role = table->roles.at(id);
    for (const auth::RoleGrant& each : role.grants) {
      v1::UserPermission* out = response->add_permissions();
      out->set_role_id(role.id);
      out->set_role_name(role.name);
      out->set_workspace(role.workspace);
      out->set_resource_type(each.grant.type);
      out->set_resource_pattern(each.grant.pattern);
      out->set_permission(std::string(auth::NameOf(each.grant.permission)));
    }
  }
  return absl::OkStatus();
}

absl::Status UserService::ListCurrentUserPermissions(
    CallContext& context, const v1::ListCurrentUserPermissionsRequest&,
    v1::ListUserPermissionsResponse* response) {
  return FillPermissions(CallerOf(context), response);
}

absl::Status UserService::ListUserPermissions(
    CallContext&, const v1::ListUserPermissionsRequest& request,
    v1::ListUserPermissionsResponse* response) {
  return FillPermissions(request.username(), response);
}

absl::Status UserService::CheckMayGrant(const CallContext& context,
                                        std::string_view type,
                                        std::string_view id) const {
  if (type == auth::kWorkspaceType) {
    return InvalidParameter(
        "Permissions on the workspace are given by roles, not to users.");
  }
  RETURN_IF_ERROR(auth::CheckType(type));
  // Another server may have made it, and so its owner, just now.
  users_.Refresh();
  const bool may = id == "*" ? Manages(context)
                             : auth::Allows(RightsOf(context).On(type, id),
                                            auth::Action::kManage);
  return may ? absl::OkStatus() : PermissionDenied();
}

absl::Status UserService::GrantUserPermission(
    CallContext& context, const v1::GrantUserPermissionRequest& request,
    v1::GrantUserPermissionResponse*) {
  RETURN_IF_ERROR(CheckMayGrant(context, request.resource_type(),
                                request.resource_id()));
  return users_.GrantUser(request.username(), request.resource_type(),
                          request.resource_id(), request.permission(),
                          /*replace=*/false);
}

absl::Status UserService::RevokeUserPermission(
    CallContext& context, const v1::RevokeUserPermissionRequest& request,
    v1::RevokeUserPermissionResponse*) {
  RETURN_IF_ERROR(CheckMayGrant(context, request.resource_type(),
                                request.resource_id()));
  return users_.RevokeUser(request.username(), request.resource_type(),
                           request.resource_id());
}

absl::Status UserService::GetUserPermission(
    CallContext&, const v1::GetUserPermissionRequest& request,
    v1::GetUserPermissionResponse* response) {
  if (request.resource_type() == auth::kWorkspaceType) {
    return InvalidParameter(
        "Permissions on the workspace are given by roles, not to users.");
  }
  RETURN_IF_ERROR(auth::CheckType(request.resource_type()));
  const Table table = Now();
  RETURN_IF_ERROR(FindUser(table, request.username()).status());
  const auth::Permission permission =
      authorizer_.RightsOf(request.username())
          .On(request.resource_type(), request.resource_id());
  response->set_allowed(auth::Allows(permission, auth::Action::kUse));
  response->set_permission(std::string(auth::NameOf(permission)));
  return absl::OkStatus();
}

absl::Status UserService::FillRole(int64_t id, v1::RoleResponse* response) {
  const Table table = Now();
  ASSIGN_OR_RETURN(const auth::Role* role, FindRole(table, id));
  FillRoleOf(*role, response->mutable_role());
  return absl::OkStatus();
}

absl::Status UserService::CreateRole(CallContext&,
                                     const v1::CreateRoleRequest& request,
                                     v1::RoleResponse* response) {
  std::optional<std::string> description;
  if (request.has_description()) description = request.description();
  ASSIGN_OR_RETURN(const int64_t id,
                   users_.CreateRole(request.name(), request.workspace(),
                                     description));
  return FillRole(id, response);
}

absl::Status UserService::GetRole(CallContext& context,
                                  const v1::GetRoleRequest& request,
                                  v1::RoleResponse* response) {
  RETURN_IF_ERROR(CheckSeesRoles(context));
  return FillRole(request.role_id(), response);
}

absl::Status UserService::ListRoles(CallContext& context,
                                    const v1::ListRolesRequest& request,
                                    v1::ListRolesResponse* response) {
  // All of them are for administrators; those of a workspace, for its members.
  if (request.workspace_size() == 0) {
    if (!RightsOf(context).is_admin()) return PermissionDenied();
  } else {
    RETURN_IF_ERROR(CheckSeesRoles(context));
  }
  const Table table = Now();
  for (const auto& [id, role] : table->roles) {
    const auto& wanted = request.workspace();
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(),
                                    role.workspace) != wanted.end()) {
      FillRoleOf(role, response->add_roles());
    }
  }
  return absl::OkStatus();
}

absl::Status UserService::UpdateRole(CallContext&,
                                     const v1::UpdateRoleRequest& request,
                                     v1::RoleResponse* response) {
  std::optional<std::string> name, description;
  if (request.has_name()) name = request.name();
  if (request.has_description()) description = request.description();
  if (!name.has_value() && !description.has_value()) {
    return InvalidParameter("Give a 'name' or a 'description' to change.");
  }
  RETURN_IF_ERROR(users_.UpdateRole(request.role_id(), name, description));
  return FillRole(request.role_id(), response);
}

absl::Status UserService::DeleteRole(CallContext&,
                                     const v1::DeleteRoleRequest& request,
                                     v1::DeleteRoleResponse*) {
  return users_.DeleteRole(request.role_id());
}

absl::Status UserService::FillGrant(int64_t id,
                                    v1::RolePermissionResponse* response) {
  const Table table = Now();
  for (const auto& [role_id, role] : table->roles) {
    for (const auth::RoleGrant& grant : role.grants) {
      if (grant.id == id) {
        FillGrantOf(grant, response->mutable_role_permission());
        return absl::OkStatus();
      }
    }
  }
  return DoesNotExist("There is no role permission with id ", id, ".");
}

absl::Status UserService::AddRolePermission(
    CallContext&, const v1::AddRolePermissionRequest& request,
    v1::RolePermissionResponse* response) {
  ASSIGN_OR_RETURN(
      const int64_t id,
      users_.AddRoleGrant(request.role_id(), request.resource_type(),
                          request.resource_pattern(), request.permission()));
  return FillGrant(id, response);
}

absl::Status UserService::RemoveRolePermission(
    CallContext&, const v1::RemoveRolePermissionRequest& request,
    v1::RemoveRolePermissionResponse*) {
  return users_.RemoveRoleGrant(request.role_permission_id());
}

absl::Status UserService::ListRolePermissions(
    CallContext& context, const v1::ListRolePermissionsRequest& request,
    v1::ListRolePermissionsResponse* response) {
  RETURN_IF_ERROR(CheckSeesRoles(context));
  const Table table = Now();
  ASSIGN_OR_RETURN(const auth::Role* role, FindRole(table, request.role_id()));
  for (const auth::RoleGrant& grant : role->grants) {
    FillGrantOf(grant, response->add_role_permissions());
  }
  return absl::OkStatus();
}

absl::Status UserService::UpdateRolePermission(
    CallContext&, const v1::UpdateRolePermissionRequest& request,
    v1::RolePermissionResponse* response) {
  RETURN_IF_ERROR(users_.UpdateRoleGrant(request.role_permission_id(),
                                         request.permission()));
  return FillGrant(request.role_permission_id(), response);
}

absl::Status UserService::AssignRole(CallContext&,
                                     const v1::AssignRoleRequest& request,
                                     v1::AssignRoleResponse* response) {
  ASSIGN_OR_RETURN(const int64_t id,
                   users_.Assign(request.username(), request.role_id()));
  const Table table = Now();
  ASSIGN_OR_RETURN(const auth::User* user, FindUser(table, request.username()));
  v1::RoleAssignment* assignment = response->mutable_assignment();
  assignment->set_id(id);
  assignment->set_user_id(user->id);
  assignment->set_role_id(request.role_id());
  return absl::OkStatus();
}

absl::Status UserService::UnassignRole(CallContext&,
                                       const v1::UnassignRoleRequest& request,
                                       v1::UnassignRoleResponse*) {
  return users_.Unassign(request.username(), request.role_id());
}

absl::Status UserService::ListUserRoles(CallContext&,
                                        const v1::ListUserRolesRequest& request,
                                        v1::ListRolesResponse* response) {
  const Table table = Now();
  ASSIGN_OR_RETURN(const auth::User* user, FindUser(table, request.username()));
  for (const int64_t id : user->roles) {
    FillRoleOf(table->roles.at(id), response->add_roles());
  }
  return absl::OkStatus();
}

absl::Status UserService::ListRoleUsers(CallContext&,
                                        const v1::ListRoleUsersRequest& request,
                                        v1::ListRoleUsersResponse* response) {
  const Table table = Now();
  RETURN_IF_ERROR(FindRole(table, request.role_id()).status());
  for (const auth::Assignment& each : table->assignments) {
    if (each.role_id != request.role_id()) continue;
    v1::RoleAssignment* out = response->add_assignments();
    out->set_id(each.id);
    out->set_user_id(each.user_id);
    out->set_role_id(each.role_id);
  }
  return absl::OkStatus();
}

}  // namespace millstream::server
