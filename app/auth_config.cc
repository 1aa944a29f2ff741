#include "app/auth_config.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::app {
namespace {

constexpr char kOwnFunction[] =
    "mlflow.server.auth:authenticate_request_basic_auth";

absl::Status Set(const std::string& key, const std::string& value,
                 AuthConfig* config) {
  if (key == "default_permission") {
    const auto permission = auth::ParsePermission(value);
    if (!permission.has_value() || permission == auth::Permission::kDeny) {
      return absl::InvalidArgumentError(absl::StrCat(
          "default_permission is READ, USE, EDIT, MANAGE or NO_PERMISSIONS, "
          "and not '",
          value, "'."));
    }
    config->default_permission = *permission;
  } else if (key == "database_uri") {
    ASSIGN_OR_RETURN(config->database,
                     storage::sql::ParseDatabaseUri(value, "database_uri"));
    if (config->database.database.empty()) {
      return absl::InvalidArgumentError(
          "database_uri names no database, as sqlite:///users.db and "
          "postgresql://user@host/users do.");
    }
    config->has_database = true;
  } else if (key == "admin_username") {
    config->admin_username = value;
  } else if (key == "admin_password") {
    config->admin_password = value;
  } else if (key == "authorization_function" && value != kOwnFunction) {
    return absl::InvalidArgumentError(
        "authorization_function names Python code, which does not run here; "
        "leave it out.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AuthConfig> ParseAuthConfig(std::string_view text) {
  AuthConfig config;
  bool ours = false;
  for (absl::string_view line : absl::StrSplit(AbslView(text), '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      ours = line == "[mlflow]";
      continue;
    }
    const size_t equals = line.find_first_of("=:");
    if (!ours || equals == absl::string_view::npos) continue;
    const std::string key = absl::AsciiStrToLower(
        absl::StripAsciiWhitespace(line.substr(0, equals)));
    const std::string value = absl::StrReplaceAll(
        absl::StripAsciiWhitespace(line.substr(equals + 1)), {{"%%", "%"}});
    RETURN_IF_ERROR(Set(key, value, &config));
  }
  return config;
}

}  // namespace millstream::app
