#include "auth/sql_user_store.h"

#include <utility>

#include "absl/functional/function_ref.h"
#include "auth/credentials.h"
#include "auth/password_hash.h"
#include "auth/user_cache.h"
#include "auth/user_rows.h"
#include "auth/user_rules.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/mlflow_schema/mlflow_schema.h"

namespace millstream::auth {
namespace {

using storage::sql::StatementPtr;
using storage::sql::Transaction;

// An administrator's in versions before 3.17, which everybody knows.
constexpr std::string_view kKnownToAll = "password1234";

// Whose check costs what a user's would.
const std::string& NobodysHash() {
  static const auto* const hash = new std::string(HashPassword("nobody's"));
  return *hash;
}

// What a unique constraint says, in words; the rest as it is.
absl::Status Taken(absl::Status status, std::string_view what) {
  if (status.code() != absl::StatusCode::kAlreadyExists) return status;
  return AlreadyExists(what, " already exists.");
}

class SqlUserStore final : public UserStore {
 public:
  explicit SqlUserStore(std::unique_ptr<storage::sql::Database> database)
      : database_(std::move(database)) {}

  absl::Status Begin() {
    // The first to be asked must not take longer than others.
    NobodysHash();
    return cache_.Begin();
  }

  Verdict Verify(std::string_view user, std::string_view password) override {
    std::shared_ptr<const UserTable> users = table();
    Verdict verdict = VerifyIn(*users, user, password);
    if (verdict.ok()) return verdict;
    // Another server may have made the user, or changed the password, just now.
    Refresh();
    const std::shared_ptr<const UserTable> now = table();
    const User* found = now->Find(user);
    const User* before = users->Find(user);
    if (found == nullptr || (before != nullptr && before->password_hash ==
                                                      found->password_hash)) {
      return verdict;
    }
    return VerifyIn(*now, user, password);
  }

  bool Holds(const Identity& identity) override {
    const std::shared_ptr<const UserTable> users = table();
    const User* found = users->Find(identity.user);
    return found != nullptr && found->password_hash == identity.proof;
  }

  uint64_t generation() override { return cache_.generation(); }
  std::shared_ptr<const UserTable> table() override { return cache_.table(); }
  void Refresh() override { cache_.Refresh(); }

  absl::Status CreateUser(std::string_view name, std::string_view password,
                          bool is_admin) override {
    RETURN_IF_ERROR(CheckUserName(name));
    RETURN_IF_ERROR(CheckPassword(password));
    const std::string hash = HashPassword(password);
    return Taken(Write([&](Transaction& t) {
                   return t.Execute(
                       "INSERT INTO users (username, password_hash, is_admin) "
                       "VALUES (?, ?, ?)",
                       name, hash, is_admin);
                 }),
                 StrCat("User '", Shown(name), "'"));
  }

  absl::Status SetPassword(std::string_view name,
                           std::string_view password) override {
    RETURN_IF_ERROR(CheckPassword(password));
    const std::string hash = HashPassword(password);
    return Write([&](Transaction& t) -> absl::Status {
      ASSIGN_OR_RETURN(const int64_t id, UserId(t, name));
      return t.Execute("UPDATE users SET password_hash = ? WHERE id = ?", hash,
                       id);
    });
  }

  absl::Status SetAdmin(std::string_view name, bool is_admin) override {
    return Write([&](Transaction& t) -> absl::Status {
      ASSIGN_OR_RETURN(const int64_t id, UserId(t, name));
      return t.Execute("UPDATE users SET is_admin = ? WHERE id = ?", is_admin,
                       id);
    });
  }

  absl::Status DeleteUser(std::string_view name) override {
    return Write([&](Transaction& t) { return DeleteUserRows(t, name); });
  }

  absl::StatusOr<int64_t> CreateRole(
      std::string_view name, std::string_view workspace,
      const std::optional<std::string>& description) override {
    RETURN_IF_ERROR(CheckRole(name, description));
    RETURN_IF_ERROR(CheckWorkspace(workspace));
    return Insert(StrCat("Role '", Shown(name), "'"), [&](Transaction& t) {
      return t.InsertForId(
          "INSERT INTO roles (name, workspace, description) VALUES (?, ?, ?)",
          "id", name, workspace, description);
    });
  }

  absl::Status UpdateRole(
      int64_t id, const std::optional<std::string>& name,
      const std::optional<std::string>& description) override {
    RETURN_IF_ERROR(CheckRole(name.value_or("x"), description));
    return Taken(
        Write([&](Transaction& t) -> absl::Status {
          RETURN_IF_ERROR(CheckRoleExists(t, id));
          if (name.has_value()) {
            RETURN_IF_ERROR(t.Execute("UPDATE roles SET name = ? WHERE id = ?",
                                      *name, id));
          }
          if (!description.has_value()) return absl::OkStatus();
          return t.Execute("UPDATE roles SET description = ? WHERE id = ?",
                           *description, id);
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
                  [&](Transaction& t) -> absl::StatusOr<int64_t> {
                    ASSIGN_OR_RETURN(const int64_t id, UserId(t, user));
                    RETURN_IF_ERROR(CheckRoleExists(t, role_id));
                    return t.InsertForId("INSERT INTO user_role_assignments "
                                         "(user_id, role_id) VALUES (?, ?)",
                                         "id", id, role_id);
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
          return AddGrant(t, role, type, pattern, permission).status();
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
      return DropOwnGrants(t, type, pattern);
    });
  }

  absl::Status RenameGrants(std::string_view type, std::string_view pattern,
                            std::string_view new_pattern) override {
    if (pattern == new_pattern) return absl::OkStatus();
    return Write([&](Transaction& t) {
      return RenameOwnGrants(t, type, pattern, new_pattern);
    });
  }

 private:
  Verdict VerifyIn(const UserTable& users, std::string_view user,
                   std::string_view password) const {
    const User* found = users.Find(user);
    const bool right = Matches(
        password, found == nullptr ? NobodysHash() : found->password_hash);
    if (found == nullptr || !right) return WrongCredentials();
    if (found->is_admin && password == kKnownToAll) {
      LogWarning("The administrator ", Shown(user), " still has the password "
                 "that old versions of MLflow came with; it is not taken. "
                 "Another administrator can set a new one.");
      return WrongCredentials();
    }
    return std::make_shared<Identity>(
        Identity{found->name, found->password_hash});
  }

  static absl::Status NoGrant(int64_t id) {
    return DoesNotExist("There is no role permission with id ", id, ".");
  }

  // One transaction, durable when it returns; then the table is new.
  absl::Status Write(absl::FunctionRef<absl::Status(Transaction&)> body) {
    RETURN_IF_ERROR(database_->Write(body));
    return cache_.Reload();
  }

  absl::StatusOr<int64_t> Insert(
      std::string_view what,
      absl::FunctionRef<absl::StatusOr<int64_t>(Transaction&)> body) {
    int64_t id = 0;
    RETURN_IF_ERROR(Taken(Write([&](Transaction& t) -> absl::Status {
                            ASSIGN_OR_RETURN(id, body(t));
                            return absl::OkStatus();
                          }),
                          what));
    return id;
  }

  const std::unique_ptr<storage::sql::Database> database_;
  // Goes before the database.
  UserCache cache_{database_.get()};
};

}  // namespace

absl::StatusOr<std::shared_ptr<UserStore>> OpenSqlUserStore(
    std::unique_ptr<storage::sql::Database> database,
    std::string_view shown_uri) {
  RETURN_IF_ERROR(
      storage::mlflow::PrepareUserSchema(database.get(), shown_uri));
  auto store = std::make_shared<SqlUserStore>(std::move(database));
  RETURN_IF_ERROR(store->Begin());
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
  absl::Status made = store->CreateUser(name, password, true);
  // Several servers may begin at once.
  if (GetErrorCode(made) == v1::RESOURCE_ALREADY_EXISTS) {
    return absl::OkStatus();
  }
  if (!made.ok()) {
    return absl::InvalidArgumentError(StrCat(
        "MLFLOW_AUTH_ADMIN_PASSWORD (or admin_password): ", made.message()));
  }
  return absl::OkStatus();
}

}  // namespace millstream::auth
