#include "auth/sql_user_store.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/credentials.h"
#include "auth/password_hash.h"
#include "auth/user_tables.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/liveness.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "base/text.h"
#include "storage/mlflow_schema/mlflow_schema.h"

namespace millstream::auth {
namespace {

using storage::sql::Connection;
using storage::sql::StatementPtr;
using storage::sql::Transaction;

// How often other programs' changes are looked for; if that takes long, less
// often, so that it takes one part in kLookShare of the time.
constexpr absl::Duration kLookInterval = absl::Seconds(1);
constexpr int kLookShare = 20;
// How long a call that asks anew waits for a database that does not answer.
constexpr absl::Duration kRefreshMax = absl::Seconds(2);
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

// Of those that begin with kOwnRolePrefix, in each database's words.
constexpr std::string_view kInOwnRoles =
    " AND role_id IN (SELECT id FROM roles WHERE substr(name, 1, 7) = "
    "'__user_')";

// Waits until then.
class Until final : public Liveness {
 public:
  explicit Until(absl::Time end) : end_(end) {}
  absl::Status Alive() const override {
    return absl::Now() < end_ ? absl::OkStatus()
                              : absl::DeadlineExceededError("");
  }

 private:
  const absl::Time end_;
};

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

// Whose check costs what a user's would.
const std::string& NobodysHash() {
  static const auto* const hash = new std::string(HashPassword("nobody's"));
  return *hash;
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

class SqlUserStore final : public UserStore {
 public:
  explicit SqlUserStore(std::unique_ptr<storage::sql::Database> database)
      : database_(std::move(database)) {}

  ~SqlUserStore() override {
    {
      absl::MutexLock lock(&look_mutex_);
      stopping_ = true;
    }
    if (looker_.joinable()) looker_.join();
  }

  absl::Status Begin() {
    // The first to be asked must not take longer than others.
    NobodysHash();
    RETURN_IF_ERROR(Load(Liveness::Always(), absl::InfiniteFuture()));
    looker_ = std::thread([this] { LookAgain(); });
    return absl::OkStatus();
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

  uint64_t generation() override {
    return generation_.load(std::memory_order_acquire);
  }

  std::shared_ptr<const UserTable> table() override {
    absl::MutexLock lock(&table_mutex_);
    return table_;
  }

  void Refresh() override {
    const absl::Time now = absl::Now();
    const absl::Status status = Load(Until(now + kRefreshMax), now);
    if (!status.ok()) NoteFailure(status);
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
    return Write([&](Transaction& t) -> absl::Status {
      // What is left of a thing that had the new name before.
      RETURN_IF_ERROR(DropOwnGrants(t, type, new_pattern));
      return t.Execute(
          StrCat("UPDATE role_permissions SET resource_pattern = ? WHERE "
                 "resource_type = ? AND resource_pattern = ?",
                 kInOwnRoles),
          new_pattern, type, pattern);
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
    ASSIGN_OR_RETURN(
        StatementPtr row,
        t.Query("SELECT id, username FROM users WHERE username = ?", name));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    // A database that ignores case finds others as well.
    if (!found || row->Text(1) != name) return NoUser(name);
    return row->Int64(0);
  }

  static absl::Status CheckRoleExists(Transaction& t, int64_t id) {
    ASSIGN_OR_RETURN(StatementPtr row,
                     t.Query("SELECT 1 FROM roles WHERE id = ?", id));
    ASSIGN_OR_RETURN(const bool found, row->Step());
    return found ? absl::OkStatus() : NoRole(id);
  }

  // Its id.
  static absl::StatusOr<int64_t> AddGrant(Transaction& t, int64_t role_id,
                                          std::string_view type,
                                          std::string_view pattern,
                                          std::string_view permission) {
    RETURN_IF_ERROR(CheckRoleExists(t, role_id));
    return t.InsertForId(
        "INSERT INTO role_permissions (role_id, resource_type, "
        "resource_pattern, permission) VALUES (?, ?, ?, ?)",
        "id", role_id, type, pattern, permission);
  }

  static absl::Status DropOwnGrants(Transaction& t, std::string_view type,
                                    std::string_view pattern) {
    return t.Execute(StrCat("DELETE FROM role_permissions WHERE resource_type "
                            "= ? AND resource_pattern = ?",
                            kInOwnRoles),
                     type, pattern);
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

  // One transaction, durable when it returns; then the table is new.
  absl::Status Write(absl::FunctionRef<absl::Status(Transaction&)> body) {
    RETURN_IF_ERROR(database_->Write(body));
    return Load(Liveness::Always(), absl::Now());
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

  // Reads the tables, unless that was begun after `since` by another thread.
  absl::Status Load(const Liveness& caller, absl::Time since) {
    absl::MutexLock lock(&load_mutex_);
    if (loading_since_ > since) return absl::OkStatus();
    const absl::Time begin = absl::Now();
    std::shared_ptr<const UserTable> loaded;
    RETURN_IF_ERROR(database_->ReadFor(
        caller, [&](Connection& connection) -> absl::Status {
          ASSIGN_OR_RETURN(loaded, LoadUserTable(connection));
          return absl::OkStatus();
        }));
    loading_since_ = begin;
    failing_.store(false, std::memory_order_relaxed);
    absl::MutexLock table_lock(&table_mutex_);
    if (table_ != nullptr && *table_ == *loaded) return absl::OkStatus();
    if (table_ == nullptr || !SameUsers(*table_, *loaded)) {
      generation_.fetch_add(1, std::memory_order_release);
    }
    table_ = std::move(loaded);
    return absl::OkStatus();
  }

  void NoteFailure(const absl::Status& status) {
    if (failing_.exchange(true, std::memory_order_relaxed)) return;
    LogError("The users cannot be read again, and stay as they were: ",
             status.ToString());
  }

  // Takes over what other programs have changed, until the end.
  void LookAgain() {
    absl::Duration wait = kLookInterval;
    absl::MutexLock lock(&look_mutex_);
    while (!look_mutex_.AwaitWithTimeout(absl::Condition(&stopping_), wait)) {
      look_mutex_.Unlock();
      const absl::Time begin = absl::Now();
      const absl::Status status = Load(Until(begin + kRefreshMax), begin);
      if (!status.ok()) NoteFailure(status);
      wait = std::max(kLookInterval, kLookShare * (absl::Now() - begin));
      look_mutex_.Lock();
    }
  }

  const std::unique_ptr<storage::sql::Database> database_;
  std::atomic<uint64_t> generation_{0};
  // The last attempt to read failed.
  std::atomic<bool> failing_{false};
  // One reads at a time, so that the last that began is what holds.
  absl::Mutex load_mutex_;
  absl::Time loading_since_ ABSL_GUARDED_BY(load_mutex_) = absl::InfinitePast();
  // Taken after load_mutex_, for a moment.
  absl::Mutex table_mutex_;
  std::shared_ptr<const UserTable> table_ ABSL_GUARDED_BY(table_mutex_);
  absl::Mutex look_mutex_;
  bool stopping_ ABSL_GUARDED_BY(look_mutex_) = false;
  std::thread looker_;
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
