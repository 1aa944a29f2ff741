#include "auth/user_tables.h"

#include <map>
#include <string>
#include <utility>

#include "base/status_macros.h"

namespace millstream::auth {
namespace {

using storage::sql::Connection;
using storage::sql::StatementPtr;

absl::Status LoadUsers(Connection& connection, UserTable* table,
                       std::map<int64_t, std::string>* names) {
  ASSIGN_OR_RETURN(StatementPtr rows,
                   connection.Query("SELECT id, username, password_hash, "
                                    "is_admin FROM users ORDER BY id"));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, rows->Step());
    if (!more) return absl::OkStatus();
    // Nobody is without a name.
    if (rows->Text(1).empty()) continue;
    User user;
    user.id = rows->Int64(0);
    user.name = std::string(rows->Text(1));
    user.password_hash = std::string(rows->Text(2));
    user.is_admin = rows->Int64(3) != 0;
    (*names)[user.id] = user.name;
    std::string name = user.name;
    table->users.emplace(std::move(name), std::move(user));
  }
}

absl::Status LoadRoles(Connection& connection, UserTable* table) {
  ASSIGN_OR_RETURN(StatementPtr roles,
                   connection.Query("SELECT id, name, workspace, description "
                                    "FROM roles ORDER BY id"));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, roles->Step());
    if (!more) break;
    Role& role = table->roles[roles->Int64(0)];
    role.id = roles->Int64(0);
    role.name = std::string(roles->Text(1));
    role.workspace = std::string(roles->Text(2));
    if (!roles->IsNull(3)) role.description = std::string(roles->Text(3));
  }
  ASSIGN_OR_RETURN(
      StatementPtr grants,
      connection.Query("SELECT id, role_id, resource_type, resource_pattern, "
                       "permission FROM role_permissions ORDER BY id"));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, grants->Step());
    if (!more) return absl::OkStatus();
    const auto role = table->roles.find(grants->Int64(1));
    // What this server does not know must not become a permission.
    const auto permission = ParsePermission(grants->Text(4));
    if (role == table->roles.end() || !permission.has_value()) continue;
    role->second.grants.push_back(
        {grants->Int64(0), role->first,
         Grant{std::string(grants->Text(2)), std::string(grants->Text(3)),
               *permission}});
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const UserTable>> LoadUserTable(
    Connection& connection) {
  auto table = std::make_shared<UserTable>();
  std::map<int64_t, std::string> names;
  RETURN_IF_ERROR(LoadUsers(connection, table.get(), &names));
  RETURN_IF_ERROR(LoadRoles(connection, table.get()));
  ASSIGN_OR_RETURN(StatementPtr rows,
                   connection.Query("SELECT id, user_id, role_id FROM "
                                    "user_role_assignments ORDER BY id"));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, rows->Step());
    if (!more) break;
    const Assignment assignment = {rows->Int64(0), rows->Int64(1),
                                   rows->Int64(2)};
    const auto name = names.find(assignment.user_id);
    const auto role = table->roles.find(assignment.role_id);
    if (name == names.end() || role == table->roles.end()) continue;
    table->assignments.push_back(assignment);
    User& user = table->users[name->second];
    user.roles.push_back(role->first);
    if (role->second.workspace != kDefaultWorkspace) continue;
    for (const RoleGrant& each : role->second.grants) {
      user.grants.push_back(each.grant);
    }
  }
  return table;
}

}  // namespace millstream::auth
