// The settings of MLflow's basic-auth app: its basic_auth.ini.
#ifndef MILLSTREAM_APP_AUTH_CONFIG_H_
#define MILLSTREAM_APP_AUTH_CONFIG_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "auth/permission.h"

namespace millstream::app {

struct AuthConfig {
  auth::Permission default_permission = auth::Permission::kRead;
  // Path of the SQLite file.
  std::string database = "basic_auth.db";
  std::string admin_username = "admin";
  std::string admin_password;
};

// Reads the section [mlflow]; what it does not set stays as above. Settings
// that have nothing to act on here are passed over. INVALID_ARGUMENT saying
// what is wrong: a permission that there is not, a database that is not
// SQLite, an authorization_function of somebody else's.
absl::StatusOr<AuthConfig> ParseAuthConfig(std::string_view text);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_AUTH_CONFIG_H_
