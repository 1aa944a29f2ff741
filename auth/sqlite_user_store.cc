#include "auth/sqlite_user_store.h"

#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "auth/credentials.h"
#include "auth/password_hash.h"
#include "auth/user_schema.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "base/text.h"
#include "storage/sqlite/sqlite_connection.h"

namespace millstream::auth {
namespace {

using storage::sql::StatementPtr;
using storage::sql::Transaction;
using storage::sqlite::SqliteConnection;

// How often other programs' changes are looked for.
constexpr int64_t kLookMs = 1000;
// MLflow's.
constexpr size_t kPasswordLengthMin = 12;
// Widths of the columns.
constexpr size_t kNameBytesMax = 255;
constexpr size_t kDescriptionBytesMax = 1024;
constexpr size_t kWorkspaceBytesMax = 63;
// An administrator's in versions before 3.17, which everybody knows.
constexpr std::string_view kKnownToAll = "password1234";
// Names of roles that belong to one user.
constexpr std::string_view kOwnRolePrefix = "__user_";

std::string OwnRoleName(int64_t user_id) {
  return StrCat(kOwnRolePrefix, user_id, "__");
}

absl::Status CheckName(std::string_view what, std::string_view name,
                       size_t bytes_max = kNameBytesMax) {
  if (!name.empty() && name.size() <= bytes_max) return absl::OkStatus();
  return InvalidParameter("The ", what, " must have 1 to ", bytes_max,
                          " bytes.");
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

absl::Status NoUser(std::string_view name) {
  return DoesNotExist("There is no user '", Shown(name), "'.");
}
absl::Status NoRole(int64_t id) {
  return DoesNotExist("There is no role with id ", id, ".");
}

// What a unique constraint says, in words; the rest as it is.
absl::Status Taken(absl::Status status, std::string_view what) {
  if (status.code() != absl::StatusCode::kAlreadyExists) return status;
  return AlreadyExists(what, " already exists.");
}

absl::Status LoadUsers(Transaction& connection, UserTable* table,
                       std::map<int64_t, std::string>* names) {
  ASSIGN_OR_RETURN(StatementPtr rows,
                   connection.Query("SELECT id, username, password_hash, "
                                    "is_admin FROM users ORDER BY id"));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, rows->Step());
    if (!more) return absl::OkStatus();
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

absl::Status LoadRoles(Transaction& connection, UserTable* table) {
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

absl::StatusOr<std::shared_ptr<const UserTable>> LoadTable(
    Transaction& connection) {
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

// Whether credentials that were right may be wrong now.
bool SameUsers(const UserTable& left, const UserTable& right) {
  if (left.users.size() != right.users.size()) return false;
  for (const auto& [name, user] : left.users) {
    const User* other = right.Find(name);
    if (other == nullptr || other->password_hash != user.password_hash ||
        other->id != user.id) {
      return false;
    }
  }
  return true;
}

class SqliteUserStore final : public UserStore {
 public:
  SqliteUserStore(std::unique_ptr<SqliteConnection> connection,
                  const Clock* clock)
      : clock_(clock),
        nobodys_hash_(HashPassword("nobody's")),
        connection_(std::move(connection)) {}

  absl::Status Prepare() {
    absl::MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(
        const int64_t tables,
        connection_->QueryInt64("SELECT count(*) FROM sqlite_master WHERE type "
                                "= 'table' AND name = 'users'"));
    if (tables == 0) {
      RETURN_IF_ERROR(connection_->ExecuteScript(
          StrCat("BEGIN IMMEDIATE;", kUserSchema, "COMMIT;")));
    }
    ASSIGN_OR_RETURN(
        const int64_t versioned,
        connection_->QueryInt64("SELECT count(*) FROM sqlite_master WHERE "
                                "name = 'alembic_version_auth'"));
    std::string revision;
    if (versioned > 0) {
      ASSIGN_OR_RETURN(StatementPtr row,
                       connection_->Query(
                           "SELECT version_num FROM alembic_version_auth"));
      ASSIGN_OR_RETURN(const bool found, row->Step());
      if (found) revision = std::string(row->Text(0));
    }
    if (revision != kUserSchemaRevision) {
      return absl::FailedPreconditionError(StrCat(
          "it has the tables of another version of MLflow (revision '",
          revision, "', and not '", kUserSchemaRevision,
          "'); bring it to 3.17's with `python -m mlflow.server.auth db "
          "upgrade --url sqlite:///FILE`"));
    }
    return Reload();
  }

  Verdict Verify(std::string_view user, std::string_view password) override {
    const std::shared_ptr<const UserTable> users = table();
    const User* found = users->Find(user);
    const bool right = Matches(
        password, found == nullptr ? nobodys_hash_ : found->password_hash);
    if (found == nullptr || !right) return WrongCredentials();
    if (found->is_admin && password == kKnownToAll) {
      LogWarning("The administrator ", Shown(user), " still has the password "
                 "that old versions of MLflow came with; it is not taken. "
                 "Another administrator can set a new one.");
      return WrongCredentials();
    }
    return std::make_shared<Identity>(Identity{found->name});
  }

  uint64_t generation() override {
    Look();
    return generation_.load(std::memory_order_acquire);
  }

  std::shared_ptr<const UserTable> table() override {
    Look();
    absl::MutexLock lock(&table_mutex_);
    return table_;
  }

  absl::Status CreateUser(std::string_view name, std::string_view password,
                          bool is_admin) override {
    RETURN_IF_ERROR(CheckName("user name", name));
    if (name.find(':') != std::string_view::npos) {
      return InvalidParameter("A user name must not have a colon.");
    }
    RETURN_IF_ERROR(CheckPassword(password));
    const std::string hash = HashPassword(password);
    return Taken(Write([&](Transaction& t) {
                   return t.Execute(
                       "INSERT INTO users (username, password_hash, is_admin) "
                       "VALUES (?, ?, ?)",
                       name, hash, is_admin ? 1 : 0);
                 }),
                 StrCat("User '", Shown(name), "'"));
  }

  absl::Status SetPassword(std::string_view name,
                           std::string_view password) override {
    RETURN_IF_ERROR(CheckPassword(password));
    const std::string hash = HashPassword(password);
    return Write([&](Transaction& t) -> absl::Status {
      RETURN_IF_ERROR(t.Execute(
          "UPDATE users SET password_hash = ? WHERE username = ?", hash, name));
      return t.changes() == 0 ? NoUser(name) : absl::OkStatus();
    });
  }

  absl::Status SetAdmin(std::string_view name, bool is_admin) override {
    return Write([&](Transaction& t) -> absl::Status {
      RETURN_IF_ERROR(
          t.Execute("UPDATE users SET is_admin = ? WHERE username = ?",
                    is_admin ? 1 : 0, name));
      return t.changes() == 0 ? NoUser(name) : absl::OkStatus();
    });
  }

  absl::Status DeleteUser(std::string_view name) override {
    return Write([&](Transaction& t) -> absl::Status {
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
    });
  }

  absl::StatusOr<int64_t> CreateRole(
      std::string_view name, std::string_view workspace,
      const std::optional<std::string>& description) override {
    RETURN_IF_ERROR(CheckRole(name, description));
    RETURN_IF_ERROR(CheckName("workspace", workspace, kWorkspaceBytesMax));
    return Insert(StrCat("Role '", Shown(name), "'"), [&](Transaction& t) {
      return t.Execute(
          "INSERT INTO roles (name, workspace, description) VALUES (?, ?, ?)",
          name, workspace, description);
    });
  }

  absl::Status UpdateRole(
      int64_t id, const std::optional<std::string>& name,
      const std::optional<std::string>& description) override {
    RETURN_IF_ERROR(CheckRole(name.value_or("x"), description));
    return Taken(
        Write([&](Transaction& t) -> absl::Status {
          RETURN_IF_ERROR(t.Execute(
              "UPDATE roles SET name = coalesce(?, name), description = "
              "coalesce(?, description) WHERE id = ?",
              name, description, id));
          return t.changes() == 0 ? NoRole(id) : absl::OkStatus();
        }),
        StrCat("Role '", Shown(name.value_or("")), "'"));
  }

  absl::Status DeleteRole(int64_t id) override {
    return Write([&](Transaction& t) -> absl::Status {
      for (const char* table : {"role_permissions", "user_role_assignments"}) {
        RETURN_IF_ERROR(
            t.Execute(StrCat("DELETE FROM ", table, " WHERE role_id = ?"), id));
      }
      RETURN_IF_ERROR(t.Execute("DELETE FROM roles WHERE id = ?", id));
      return t.changes() == 0 ? NoRole(id) : absl::OkStatus();
    });
  }

  absl::StatusOr<int64_t> AddRoleGrant(int64_t role_id, std::string_view type,
                                       std::string_view pattern,
                                       std::string_view permission) override {
    RETURN_IF_ERROR(CheckGrant(type, pattern, permission));
    return Insert("That grant of the role", [&](Transaction& t) {
      return AddGrant(t, role_id, type, pattern, permission);
    });
  }

  absl::Status UpdateRoleGrant(int64_t id,
                               std::string_view permission) override {
    return Write([&](Transaction& t) -> absl::Status {
      ASSIGN_OR_RETURN(
          StatementPtr row,
          t.Query("SELECT resource_type FROM role_permissions WHERE id = ?",
                  id));
      ASSIGN_OR_RETURN(const bool found, row->Step());
      if (!found) return NoGrant(id);
      RETURN_IF_ERROR(CheckGrantable(row->Text(0), permission));
      row.reset();
      return t.Execute(
          "UPDATE role_permissions SET permission = ? WHERE id = ?",
          permission, id);
    });
  }

  absl::Status RemoveRoleGrant(int64_t id) override {
    return Write([&](Transaction& t) -> absl::Status {
      RETURN_IF_ERROR(
          t.Execute("DELETE FROM role_permissions WHERE id = ?", id));
      return t.changes() == 0 ? NoGrant(id) : absl::OkStatus();
    });
  }

  absl::StatusOr<int64_t> Assign(std::string_view user,
                                 int64_t role_id) override {
    return Insert("That assignment of the role",
                  [&](Transaction& t) -> absl::Status {
                    ASSIGN_OR_RETURN(const int64_t id, UserId(t, user));
                    RETURN_IF_ERROR(CheckRoleExists(t, role_id));
                    return t.Execute("INSERT INTO user_role_assignments "
                                     "(user_id, role_id) VALUES (?, ?)",
                                     id, role_id);
                  });
  }

  absl::Status Unassign(std::string_view user, int64_t role_id) override {
    return Write([&](Transaction& t) -> absl::Status {
      ASSIGN_OR_RETURN(const int64_t id, UserId(t, user));
      RETURN_IF_ERROR(
          t.Execute("DELETE FROM user_role_assignments WHERE user_id = ? AND "
                    "role_id = ?",
                    id, role_id));
      if (t.changes() > 0) return absl::OkStatus();
      return DoesNotExist("User '", Shown(user), "' does not have role ",
                          role_id, ".");
    });
  }

  absl::Status GrantUser(std::string_view user, std::string_view type,
                         std::string_view pattern, std::string_view permission,
                         bool replace) override {
    RETURN_IF_ERROR(CheckGrant(type, pattern, permission));
    return Taken(
        Write([&](Transaction& t) -> absl::Status {
          ASSIGN_OR_RETURN(const int64_t role, OwnRole(t, user));
          if (replace) {
            RETURN_IF_ERROR(DeleteGrant(t, role, type, pattern));
          }
          return AddGrant(t, role, type, pattern, permission);
        }),
        StrCat("A permission of '", Shown(user), "' on ", type, " '",
               Shown(pattern), "'"));
  }

  absl::Status RevokeUser(std::string_view user, std::string_view type,
                          std::string_view pattern) override {
    RETURN_IF_ERROR(CheckType(type));
    return Write([&](Transaction& t) -> absl::Status {
      ASSIGN_OR_RETURN(const int64_t role, OwnRole(t, user));
      RETURN_IF_ERROR(DeleteGrant(t, role, type, pattern));
      if (t.changes() > 0) return absl::OkStatus();
      return DoesNotExist("User '", Shown(user), "' has no permission on ",
                          type, " '", Shown(pattern), "'.");
    });
  }

  absl::Status DropGrants(std::string_view type,
                          std::string_view pattern) override {
    return Write([&](Transaction& t) {
      return t.Execute(
          "DELETE FROM role_permissions WHERE resource_type = ? AND "
          "resource_pattern = ? AND role_id IN (SELECT id FROM roles WHERE "
          "name GLOB '__user_[0-9]*__')",
          type, pattern);
    });
  }

  absl::Status RenameGrants(std::string_view type, std::string_view pattern,
                            std::string_view new_pattern) override {
    return Write([&](Transaction& t) {
      return t.Execute(
          "UPDATE OR REPLACE role_permissions SET resource_pattern = ? WHERE "
          "resource_type = ? AND resource_pattern = ? AND role_id IN (SELECT "
          "id FROM roles WHERE name GLOB '__user_[0-9]*__')",
          new_pattern, type, pattern);
    });
  }

 private:
  static absl::Status CheckRole(std::string_view name,
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

  static absl::Status CheckGrant(std::string_view type,
                                 std::string_view pattern,
                                 std::string_view permission) {
    RETURN_IF_ERROR(CheckGrantable(type, permission));
    RETURN_IF_ERROR(CheckPattern(type, pattern));
    return CheckName("pattern", pattern);
  }

  static absl::Status NoGrant(int64_t id) {
    return DoesNotExist("There is no role permission with id ", id, ".");
  }

  static absl::StatusOr<int64_t> UserId(Transaction& t,
                                        std::string_view name) {
    ASSIGN_OR_RETURN(StatementPtr row,
                     t.Query("SELECT id FROM users WHERE username = ?", name));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    if (!found) return NoUser(name);
    return row->Int64(0);
  }

  static absl::Status CheckRoleExists(Transaction& t, int64_t id) {
    ASSIGN_OR_RETURN(StatementPtr row,
                     t.Query("SELECT 1 FROM roles WHERE id = ?", id));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    return found ? absl::OkStatus() : NoRole(id);
  }

  static absl::Status AddGrant(Transaction& t, int64_t role_id,
                               std::string_view type, std::string_view pattern,
                               std::string_view permission) {
    RETURN_IF_ERROR(CheckRoleExists(t, role_id));
    return t.Execute(
        "INSERT INTO role_permissions (role_id, resource_type, "
        "resource_pattern, permission) VALUES (?, ?, ?, ?)",
        role_id, type, pattern, permission);
  }

  static absl::Status DeleteGrant(Transaction& t, int64_t role_id,
                                  std::string_view type,
                                  std::string_view pattern) {
    return t.Execute(
        "DELETE FROM role_permissions WHERE role_id = ? AND resource_type = ? "
        "AND resource_pattern = ?",
        role_id, type, pattern);
  }

  // The role that belongs to the user alone; made if it is not there.
  static absl::StatusOr<int64_t> OwnRole(Transaction& t,
                                         std::string_view user) {
    ASSIGN_OR_RETURN(const int64_t id, UserId(t, user));
    const std::string name = OwnRoleName(id);
    RETURN_IF_ERROR(t.Execute(
        "INSERT OR IGNORE INTO roles (name, workspace) VALUES (?, ?)", name,
        kDefaultWorkspace));
    int64_t role = 0;
    {
      ASSIGN_OR_RETURN(StatementPtr row,
                       t.Query("SELECT id FROM roles WHERE name = ? AND "
                               "workspace = ?",
                               name, kDefaultWorkspace));
      RETURN_IF_ERROR(row->Step().status());
      role = row->Int64(0);
    }
    RETURN_IF_ERROR(
        t.Execute("INSERT OR IGNORE INTO user_role_assignments (user_id, "
                  "role_id) VALUES (?, ?)",
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

  // One transaction, durable when it returns; then the table is new.
  absl::Status Write(absl::FunctionRef<absl::Status(Transaction&)> body) {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(connection_->ExecuteScript("BEGIN IMMEDIATE"));
    absl::Status status = body(*connection_);
    if (status.ok()) status = connection_->ExecuteScript("COMMIT");
    if (!status.ok() && connection_->in_transaction()) {
      connection_->ExecuteScript("ROLLBACK").IgnoreError();
    }
    RETURN_IF_ERROR(status);
    return Reload();
  }

  absl::StatusOr<int64_t> Insert(
      std::string_view what,
      absl::FunctionRef<absl::Status(Transaction&)> body) {
    int64_t id = 0;
    RETURN_IF_ERROR(Taken(Write([&](Transaction& t) -> absl::Status {
                            RETURN_IF_ERROR(body(t));
                            id = t.last_insert_id();
                            return absl::OkStatus();
                          }),
                          what));
    return id;
  }

  // Takes over what other programs have changed.
  void Look() {
    const int64_t now_ms = clock_->NowMs();
    if (now_ms - looked_ms_.load(std::memory_order_relaxed) < kLookMs) return;
    absl::MutexLock lock(&mutex_);
    if (now_ms - looked_ms_ < kLookMs) return;
    looked_ms_ = now_ms;
    const absl::StatusOr<int64_t> version =
        connection_->QueryInt64("PRAGMA data_version");
    if (version.ok() && *version == data_version_) return;
    const absl::Status status = version.ok() ? Reload() : version.status();
    if (!status.ok()) {
      LogError("The users cannot be read again: ", status.ToString());
    }
  }

  absl::Status Reload() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ASSIGN_OR_RETURN(data_version_,
                     connection_->QueryInt64("PRAGMA data_version"));
    ASSIGN_OR_RETURN(std::shared_ptr<const UserTable> loaded,
                     LoadTable(*connection_));
    absl::MutexLock lock(&table_mutex_);
    if (table_ == nullptr || !SameUsers(*table_, *loaded)) {
      generation_.fetch_add(1, std::memory_order_release);
    }
    table_ = std::move(loaded);
    return absl::OkStatus();
  }

  const Clock* const clock_;
  // Whose check costs what a user's would.
  const std::string nobodys_hash_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int64_t> looked_ms_{0};
  absl::Mutex mutex_;
  const std::unique_ptr<SqliteConnection> connection_ ABSL_GUARDED_BY(mutex_);
  int64_t data_version_ ABSL_GUARDED_BY(mutex_) = 0;
  // Taken after mutex_, for a moment.
  absl::Mutex table_mutex_;
  std::shared_ptr<const UserTable> table_ ABSL_GUARDED_BY(table_mutex_);
};

}  // namespace

absl::StatusOr<std::shared_ptr<UserStore>> OpenSqliteUserStore(
    const std::string& path, const Clock* clock) {
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                   SqliteConnection::Open(path, {}));
  auto store =
      std::make_shared<SqliteUserStore>(std::move(connection), clock);
  RETURN_IF_ERROR(store->Prepare());
  return store;
}

absl::Status EnsureAdmin(UserStore* store, const std::string& name,
                         const std::string& password) {
  if (name.empty()) {
    return absl::InvalidArgumentError(
        "The administrator needs a name: set MLFLOW_AUTH_ADMIN_USERNAME, or "
        "admin_username in the file of --auth-config.");
  }
  if (store->table()->Find(name) != nullptr) return absl::OkStatus();
  if (password.empty() || password == kKnownToAll) {
    return absl::InvalidArgumentError(StrCat(
        "The administrator '", name, "' needs a password",
        password.empty() ? "" : " that not everybody knows",
        ": set MLFLOW_AUTH_ADMIN_PASSWORD, or admin_password in the file of "
        "--auth-config."));
  }
  if (absl::Status made = store->CreateUser(name, password, true); !made.ok()) {
    return absl::InvalidArgumentError(StrCat(
        "MLFLOW_AUTH_ADMIN_PASSWORD (or admin_password): ", made.message()));
  }
  return absl::OkStatus();
}

}  // namespace millstream::auth
