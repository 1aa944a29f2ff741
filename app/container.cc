#include "app/container.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "app/container_environment.h"
#include "aws/environment.h"
#include "aws/secrets_manager.h"
#include "base/status_macros.h"
#include "storage/sql/database_uri.h"

namespace millstream::app {

namespace {

absl::StatusOr<absl::flat_hash_map<std::string, std::string>> FlagsOfProcess(
    bool has_database) {
  return FlagsOfContainer(
      [](const char* name) -> const char* { return std::getenv(name); },
      [](const std::string& name) {
        return aws::ReadSecret(aws::ProcessEnvironment, name);
      },
      has_database);
}

constexpr char kBackend[] = "backend-store-uri";

}  // namespace

absl::Status ReadContainer(ParsedFlags* flags) {
  const auto set = [flags](const std::string& name, std::string value) {
    if (!flags->given.contains(name)) flags->values[name] = std::move(value);
  };
  ASSIGN_OR_RETURN(auto values,
                   FlagsOfProcess(flags->given.contains(kBackend)));
  for (auto& [name, value] : values) set(name, std::move(value));
  for (const char* const asks :
       {"auth-user", "htpasswd-file", "token-file", "app-name"}) {
    if (!flags->values[asks].empty()) set("allowed-hosts", "*");
  }
  return absl::OkStatus();
}

std::function<absl::StatusOr<std::string>()> PasswordOfContainer(
    const ParsedFlags& flags) {
  const char* const secret = std::getenv("SECRET_NAME");
  if (!flags.container || flags.given.contains(kBackend) ||
      secret == nullptr || *secret == '\0') {
    return nullptr;
  }
  return []() -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const auto values,
                     FlagsOfProcess(/*has_database=*/false));
    const auto uri = values.find(kBackend);
    if (uri == values.end()) return std::string();
    ASSIGN_OR_RETURN(
        const storage::sql::DatabaseUri parsed,
        storage::sql::ParseDatabaseUri(uri->second, "SECRET_NAME"));
    return parsed.password;
  };
}

}  // namespace millstream::app
