#include "app/callers.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "app/auth_config.h"
#include "app/sql_database.h"
#include "auth/fixed_user.h"
#include "auth/htpasswd_file.h"
#include "auth/sql_user_store.h"
#include "auth/token_file.h"
#include "auth/token_users.h"
#include "auth/watched_file.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/data_directory.h"
#include "storage/sql/database_uri.h"

namespace millstream::app {
namespace {

// Connections to the database of users: the table is read by one at a time, and
// changed seldom.
constexpr int kUserConnections = 2;
constexpr int kUserConnectionsOverflow = 4;

// Those of MLflow's basic-auth app.
absl::Status OpenUserStore(const Config& config, const Liveness& starter,
                           Callers* callers) {
  AuthConfig settings;
  if (!config.auth_config.empty()) {
    absl::StatusOr<std::string> text =
        auth::WatchedFile(config.auth_config, limits::kUserFileBytesMax)
            .Read();
    absl::StatusOr<AuthConfig> parsed =
        text.ok() ? ParseAuthConfig(*text)
                  : absl::StatusOr<AuthConfig>(text.status());
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--auth-config: '", config.auth_config,
          "': ", parsed.status().message()));
    }
    settings = *std::move(parsed);
  }
  if (!config.auth_admin_user.empty()) {
    settings.admin_username = config.auth_admin_user;
  }
  if (!config.auth_admin_password.empty()) {
    settings.admin_password = config.auth_admin_password;
  }
  if (std::error_code error;
      !settings.has_database &&
      !std::filesystem::exists(settings.database.database, error)) {
    // Not MLflow's default then: beside the other data.
    settings.database.database =
        (std::filesystem::path(config.data_dir) / settings.database.database)
            .string();
    RETURN_IF_ERROR(storage::MakePrivateFolder(config.data_dir));
  }
  // It holds hashes of passwords.
  if (settings.database.engine == storage::sql::Engine::kSqlite) {
    storage::MakePrivateFile(settings.database.database);
  }
  auto database =
      OpenSqlDatabase(settings.database, "database_uri",
                      {.durability = config.durability,
                       .pool = {.size = kUserConnections,
                                .overflow = kUserConnectionsOverflow},
                       .statement_timeout = config.backend_statement_timeout,
                       .wait = config.backend_wait},
                      starter);
  auto store = database.ok()
                   ? auth::OpenSqlUserStore(std::move(database->database),
                                            settings.database.Redacted())
                   : database.status();
  // Sentences about the tables and the setting say which database it is.
  if (absl::IsFailedPrecondition(store.status()) ||
      absl::IsInvalidArgument(store.status())) {
    return store.status();
  }
  if (!store.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Cannot open the database of users ", settings.database.Redacted(),
        ": ", store.status().message()));
  }
  callers->users = *std::move(store);
  callers->by_default = settings.default_permission;
  return auth::EnsureAdmin(callers->users.get(), settings.admin_username,
                           settings.admin_password);
}

}  // namespace

absl::StatusOr<Callers> MakeCallers(const Config& config,
                                    const Liveness& starter) {
  Callers callers;
  std::shared_ptr<auth::UserSource> users;
  std::unique_ptr<auth::TokenFile> tokens;
  bool own_user = false;
  if (config.app_name == "basic-auth") {
    if (!config.htpasswd_file.empty()) {
      return absl::InvalidArgumentError(
          "--app-name basic-auth and --htpasswd-file both say who the users "
          "are; give one of them.");
    }
    RETURN_IF_ERROR(OpenUserStore(config, starter, &callers));
    users = callers.users;
  } else if (!config.htpasswd_file.empty()) {
    ASSIGN_OR_RETURN(users, auth::OpenHtpasswdFile(config.htpasswd_file,
                                                   &Clock::System()));
  } else if (!config.auth_user.empty()) {
    own_user = true;
    ASSIGN_OR_RETURN(users, auth::MakeFixedUser(config.auth_user,
                                                config.auth_password));
  }
  if (!config.token_file.empty()) {
    ASSIGN_OR_RETURN(tokens, auth::TokenFile::Open(config.token_file,
                                                   &Clock::System()));
  }
  if (users == nullptr && tokens == nullptr) return callers;
  if (!config.auth_user.empty() && !own_user) {
    LogWarning("--auth-user (or MLFLOW_TRACKING_USERNAME) has no effect: "
               "other flags say who may call.");
  }
  if (tokens != nullptr) {
    users = std::make_shared<auth::TokenUsers>(std::move(tokens),
                                               std::move(users));
  }
  callers.gate =
      std::make_unique<auth::Gate>(std::move(users), &Clock::System());
  return callers;
}

}  // namespace millstream::app
