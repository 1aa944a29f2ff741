#include "auth/user_rows.h"

#include <string>

#include "auth/user_rules.h"
#include "auth/user_store.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::auth {
namespace {

using storage::sql::StatementPtr;
using storage::sql::Transaction;

// Of those that begin with kOwnRolePrefix, in each database's words.
constexpr std::string_view kInOwnRoles =
    " AND role_id IN (SELECT id FROM roles WHERE substr(name, 1, 7) = "
    "'__user_')";

std::string OwnRoleName(int64_t user_id) {
  return StrCat(kOwnRolePrefix, user_id, "__");
}

}  // namespace

absl::Status NoUser(std::string_view name) {
  return DoesNotExist("There is no user '", Shown(name), "'.");
}
absl::Status NoRole(int64_t id) {
  return DoesNotExist("There is no role with id ", id, ".");
}

absl::StatusOr<int64_t> UserId(Transaction& t, std::string_view name) {
  ASSIGN_OR_RETURN(
      StatementPtr row,
      t.Query("SELECT id, username FROM users WHERE username = ?", name));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  // A database that ignores case finds others as well.
  if (!found || row->Text(1) != name) return NoUser(name);
  return row->Int64(0);
}

absl::Status CheckRoleExists(Transaction& t, int64_t id) {
  ASSIGN_OR_RETURN(StatementPtr row,
                   t.Query("SELECT 1 FROM roles WHERE id = ?", id));
  ASSIGN_OR_RETURN(const bool found, row->Step());
  return found ? absl::OkStatus() : NoRole(id);
}

absl::StatusOr<int64_t> AddGrant(Transaction& t, int64_t role_id,
                                 std::string_view type,
                                 std::string_view pattern,
                                 std::string_view permission) {
  RETURN_IF_ERROR(CheckRoleExists(t, role_id));
  return t.InsertForId(
      "INSERT INTO role_permissions (role_id, resource_type, "
      "resource_pattern, permission) VALUES (?, ?, ?, ?)",
      "id", role_id, type, pattern, permission);
}

absl::Status DeleteGrant(Transaction& t, int64_t role_id,
                         std::string_view type, std::string_view pattern) {
  return t.Execute(
      "DELETE FROM role_permissions WHERE role_id = ? AND resource_type = ? "
      "AND resource_pattern = ?",
      role_id, type, pattern);
}

absl::Status DropOwnGrants(Transaction& t, std::string_view type,
                           std::string_view pattern) {
  return t.Execute(StrCat("DELETE FROM role_permissions WHERE resource_type "
                          "= ? AND resource_pattern = ?",
                          kInOwnRoles),
                   type, pattern);
}

absl::Status RenameOwnGrants(Transaction& t, std::string_view type,
                             std::string_view pattern,
                             std::string_view new_pattern) {
  // What is left of a thing that had the new name before.
  RETURN_IF_ERROR(DropOwnGrants(t, type, new_pattern));
  return t.Execute(
      StrCat("UPDATE role_permissions SET resource_pattern = ? WHERE "
             "resource_type = ? AND resource_pattern = ?",
             kInOwnRoles),
      new_pattern, type, pattern);
}

absl::StatusOr<int64_t> OwnRole(Transaction& t, std::string_view user) {
  ASSIGN_OR_RETURN(const int64_t id, UserId(t, user));
  const std::string name = OwnRoleName(id);
  RETURN_IF_ERROR(t.Execute(
      StrCat("INSERT INTO roles (name, workspace) VALUES (?, ?)",
             OnConflictDoNothing(t.dialect(), "name")),
      name, kDefaultWorkspace));
  int64_t role = 0;
  {
    ASSIGN_OR_RETURN(StatementPtr row,
                     t.Query("SELECT id FROM roles WHERE name = ? AND "
                             "workspace = ?",
                             name, kDefaultWorkspace));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    if (!found) return absl::InternalError("a role that was made is gone");
    role = row->Int64(0);
  }
  RETURN_IF_ERROR(t.Execute(
      StrCat("INSERT INTO user_role_assignments (user_id, role_id) VALUES "
             "(?, ?)",
             OnConflictDoNothing(t.dialect(), "user_id")),
      id, role));
  // A role that others have too would give them what is meant for one.
  ASSIGN_OR_RETURN(StatementPtr others,
                   t.Query("SELECT 1 FROM user_role_assignments WHERE "
                           "role_id = ? AND user_id <> ?",
                           role, id));
  ASSIGN_OR_RETURN(const bool shared, others->Step());
  if (!shared) return role;
  return InvalidParameter("Role '", name,
                          "' is assigned to other users; take it from them "
                          "first.");
}

absl::Status DeleteUserRows(Transaction& t, std::string_view name) {
  ASSIGN_OR_RETURN(const int64_t id, UserId(t, name));
  const std::string own = OwnRoleName(id);
  for (const char* table : {"role_permissions", "user_role_assignments"}) {
    RETURN_IF_ERROR(t.Execute(
        StrCat("DELETE FROM ", table,
               " WHERE role_id IN (SELECT id FROM roles WHERE name = ?)"),
        own));
  }
  RETURN_IF_ERROR(t.Execute("DELETE FROM roles WHERE name = ?", own));
  for (const char* table :
       {"user_role_assignments", "experiment_permissions",
        "registered_model_permissions", "scorer_permissions",
        "gateway_secret_permissions", "gateway_endpoint_permissions",
        "gateway_model_definition_permissions", "workspace_permissions"}) {
    RETURN_IF_ERROR(
        t.Execute(StrCat("DELETE FROM ", table, " WHERE user_id = ?"), id));
  }
  return t.Execute("DELETE FROM users WHERE id = ?", id);
}

}  // namespace millstream::auth
