// The service UserService of users.proto, which says what each rpc does.
#ifndef MILLSTREAM_SERVER_USER_SERVICE_H_
#define MILLSTREAM_SERVER_USER_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "auth/gate.h"
#include "auth/user_store.h"
#include "millstream/v1/users.pb.h"
#include "server/authorizer.h"
#include "server/call_context.h"

namespace millstream::server {

class MethodTable;

// Thread-safe. Must outlive the calls.
class UserService {
 public:
  // All must outlive the service.
  UserService(auth::UserStore* users, const Authorizer* authorizer,
              auth::Gate* gate)
      : users_(*users), authorizer_(*authorizer), gate_(*gate) {}

  // Binds every rpc of the service to its body.
  void Register(MethodTable* methods);

  absl::Status CreateUser(CallContext&, const v1::CreateUserRequest&,
                          v1::CreateUserResponse*);
  absl::Status GetUser(CallContext&, const v1::GetUserRequest&,
                       v1::GetUserResponse*);
  absl::Status GetCurrentUser(CallContext&, const v1::GetCurrentUserRequest&,
                              v1::GetCurrentUserResponse*);
  absl::Status ListUsers(CallContext&, const v1::ListUsersRequest&,
                         v1::ListUsersResponse*);
  // Hashes are slow: no more than limits::kOwnPasswordChangesMax callers change
  // their own at a time, others get TEMPORARILY_UNAVAILABLE.
  absl::Status UpdateUserPassword(CallContext&,
                                  const v1::UpdateUserPasswordRequest&,
                                  v1::UpdateUserPasswordResponse*);
  absl::Status UpdateUserAdmin(CallContext&, const v1::UpdateUserAdminRequest&,
                               v1::UpdateUserAdminResponse*);
  absl::Status DeleteUser(CallContext&, const v1::DeleteUserRequest&,
                          v1::DeleteUserResponse*);
  absl::Status ListCurrentUserPermissions(
      CallContext&, const v1::ListCurrentUserPermissionsRequest&,
      v1::ListUserPermissionsResponse*);
  absl::Status ListUserPermissions(CallContext&,
                                   const v1::ListUserPermissionsRequest&,
                                   v1::ListUserPermissionsResponse*);
  absl::Status GrantUserPermission(CallContext&,
                                   const v1::GrantUserPermissionRequest&,
                                   v1::GrantUserPermissionResponse*);
  absl::Status RevokeUserPermission(CallContext&,
                                    const v1::RevokeUserPermissionRequest&,
                                    v1::RevokeUserPermissionResponse*);
  absl::Status GetUserPermission(CallContext&,
                                 const v1::GetUserPermissionRequest&,
                                 v1::GetUserPermissionResponse*);
  absl::Status CreateRole(CallContext&, const v1::CreateRoleRequest&,
                          v1::RoleResponse*);
  absl::Status GetRole(CallContext&, const v1::GetRoleRequest&,
                       v1::RoleResponse*);
  absl::Status ListRoles(CallContext&, const v1::ListRolesRequest&,
                         v1::ListRolesResponse*);
  absl::Status UpdateRole(CallContext&, const v1::UpdateRoleRequest&,
                          v1::RoleResponse*);
  absl::Status DeleteRole(CallContext&, const v1::DeleteRoleRequest&,
                          v1::DeleteRoleResponse*);
  absl::Status AddRolePermission(CallContext&,
                                 const v1::AddRolePermissionRequest&,
                                 v1::RolePermissionResponse*);
  absl::Status RemoveRolePermission(CallContext&,
                                    const v1::RemoveRolePermissionRequest&,
                                    v1::RemoveRolePermissionResponse*);
  absl::Status ListRolePermissions(CallContext&,
                                   const v1::ListRolePermissionsRequest&,
                                   v1::ListRolePermissionsResponse*);
  absl::Status UpdateRolePermission(CallContext&,
                                    const v1::UpdateRolePermissionRequest&,
                                    v1::RolePermissionResponse*);
  absl::Status AssignRole(CallContext&, const v1::AssignRoleRequest&,
                          v1::AssignRoleResponse*);
  absl::Status UnassignRole(CallContext&, const v1::UnassignRoleRequest&,
                            v1::UnassignRoleResponse*);
  absl::Status ListUserRoles(CallContext&, const v1::ListUserRolesRequest&,
                             v1::ListRolesResponse*);
  absl::Status ListRoleUsers(CallContext&, const v1::ListRoleUsersRequest&,
                             v1::ListRoleUsersResponse*);

 private:
  // With what other servers have changed up to now.
  std::shared_ptr<const auth::UserTable> Now() const;
  Rights RightsOf(const CallContext& context) const;
  // Roles are shown to those who have one.
  absl::Status CheckSeesRoles(const CallContext& context) const;
  // Whether the caller administers users: all, or those of the workspace.
  bool Manages(const CallContext& context) const;
  absl::Status FillPermissions(std::string_view user,
                               v1::ListUserPermissionsResponse* response);
  absl::Status FillRole(int64_t id, v1::RoleResponse* response);
  absl::Status FillGrant(int64_t id, v1::RolePermissionResponse* response);
  // Of a thing, by who manages it; of all of a type, by who manages users.
  absl::Status CheckMayGrant(const CallContext& context, std::string_view type,
                             std::string_view id) const;

  absl::Status ChangeOwnPassword(const CallContext& context,
                                 const v1::UpdateUserPasswordRequest& request);

  auth::UserStore& users_;
  const Authorizer& authorizer_;
  auth::Gate& gate_;
  // Calls that change their caller's own password.
  std::atomic<int> changing_{0};
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_USER_SERVICE_H_
