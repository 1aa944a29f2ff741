// The settings of MLflow's basic-auth app: its basic_auth.ini.
#ifndef MILLSTREAM_APP_AUTH_CONFIG_H_
#define MILLSTREAM_APP_AUTH_CONFIG_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "auth/permission.h"
#include "storage/sql/database_uri.h"

namespace millstream::app {

struct AuthConfig {
  AuthConfig() { database.database = "basic_auth.db"; }

  auth::Permission default_permission = auth::Permission::kRead;
  // Where the users are; MLflow's default if `has_database` is false.
  storage::sql::DatabaseUri database;
  bool has_database = false;
  std::string admin_username = "admin";
  std::string admin_password;
};

// Reads the section [mlflow]; what it does not set stays as above. Settings
// that have nothing to act on here are passed over. INVALID_ARGUMENT saying
// what is wrong: a permission that there is not, a URI that is none, an
// authorization_function of somebody else's. As in Python's configparser, "%%"
// stands for "%".
absl::StatusOr<AuthConfig> ParseAuthConfig(std::string_view text);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_AUTH_CONFIG_H_
