// Users, roles and grants as MLflow's basic-auth app keeps them.
#ifndef MILLSTREAM_AUTH_USER_STORE_H_
#define MILLSTREAM_AUTH_USER_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/permission.h"
#include "auth/user_source.h"
#include "base/str_cat.h"

namespace millstream::auth {

// MLflow's one workspace while it has no others.
inline constexpr std::string_view kDefaultWorkspace = "default";

struct RoleGrant {
  int64_t id = 0;
  int64_t role_id = 0;
  Grant grant;

  bool operator==(const RoleGrant&) const = default;
};

struct Role {
  int64_t id = 0;
  std::string name;
  std::string workspace;
  std::optional<std::string> description;
  std::vector<RoleGrant> grants;

  bool operator==(const Role&) const = default;
};

struct Assignment {
  int64_t id = 0;
  int64_t user_id = 0;
  int64_t role_id = 0;

  bool operator==(const Assignment&) const = default;
};

struct User {
  int64_t id = 0;
  std::string name;
  std::string password_hash;
  bool is_admin = false;
  // Ids, in the order they were given.
  std::vector<int64_t> roles;
  // Of all roles of the default workspace.
  std::vector<Grant> grants;

  bool operator==(const User&) const = default;
};

// All of it at one moment.
struct UserTable {
  absl::flat_hash_map<std::string, User> users;
  std::map<int64_t, Role> roles;
  std::vector<Assignment> assignments;

  // Null if there is none.
  const User* Find(std::string_view name) const {
    const auto found = users.find(AbslView(name));
    return found == users.end() ? nullptr : &found->second;
  }

  bool operator==(const UserTable&) const = default;
};

// Thread-safe. Grants that belong to a user alone are kept in a role of his
// own, "__user_<id>__", as MLflow keeps them.
//
// Statuses carry MLflow's codes: RESOURCE_DOES_NOT_EXIST, RESOURCE_ALREADY_
// EXISTS, INVALID_PARAMETER_VALUE for passwords that are too short and so on.
class UserStore : public UserSource {
 public:
  // Never null; the same until something changes. Other programs' changes show
  // within a second.
  virtual std::shared_ptr<const UserTable> table() = 0;

  // Returns when table() shows all that was changed before this was called, or
  // when that cannot be had. Asks the database, once for all who wait.
  virtual void Refresh() = 0;

  virtual absl::Status CreateUser(std::string_view name,
                                  std::string_view password,
                                  bool is_admin) = 0;
  virtual absl::Status SetPassword(std::string_view name,
                                   std::string_view password) = 0;
  virtual absl::Status SetAdmin(std::string_view name, bool is_admin) = 0;
  // With his own role and grants.
  virtual absl::Status DeleteUser(std::string_view name) = 0;

  // Ids of what was made.
  virtual absl::StatusOr<int64_t> CreateRole(
      std::string_view name, std::string_view workspace,
      const std::optional<std::string>& description) = 0;
  virtual absl::Status UpdateRole(
      int64_t id, const std::optional<std::string>& name,
      const std::optional<std::string>& description) = 0;
  virtual absl::Status DeleteRole(int64_t id) = 0;
  virtual absl::StatusOr<int64_t> AddRoleGrant(int64_t role_id,
                                               std::string_view type,
                                               std::string_view pattern,
                                               std::string_view permission) = 0;
  virtual absl::Status UpdateRoleGrant(int64_t id,
                                       std::string_view permission) = 0;
  virtual absl::Status RemoveRoleGrant(int64_t id) = 0;
  virtual absl::StatusOr<int64_t> Assign(std::string_view user,
                                         int64_t role_id) = 0;
  virtual absl::Status Unassign(std::string_view user, int64_t role_id) = 0;

  // A grant of the user's own. With `replace`, one that is there is changed.
  virtual absl::Status GrantUser(std::string_view user, std::string_view type,
                                 std::string_view pattern,
                                 std::string_view permission,
                                 bool replace) = 0;
  virtual absl::Status RevokeUser(std::string_view user, std::string_view type,
                                  std::string_view pattern) = 0;
  // Of all users' own: those on a thing that is gone, or has another name.
  virtual absl::Status DropGrants(std::string_view type,
                                  std::string_view pattern) = 0;
  virtual absl::Status RenameGrants(std::string_view type,
                                    std::string_view pattern,
                                    std::string_view new_pattern) = 0;
};

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_USER_STORE_H_
