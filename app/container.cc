#include "app/container.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "app/container_environment.h"
#include "aws/environment.h"
#include "aws/secrets_manager.h"
#include "base/status_macros.h"

namespace millstream::app {

absl::Status ReadContainer(ParsedFlags* flags) {
  const auto set = [flags](const std::string& name, std::string value) {
    if (!flags->given.contains(name)) flags->values[name] = std::move(value);
  };
  // A database that is given needs none of what tells of one.
  if (!flags->given.contains("backend-store-uri")) {
    ASSIGN_OR_RETURN(
        auto values,
        FlagsOfContainer(
            [](const char* name) -> const char* { return std::getenv(name); },
            [](const std::string& name) {
              return aws::ReadSecret(aws::ProcessEnvironment, name);
            }));
    for (auto& [name, value] : values) set(name, std::move(value));
  }
  set("host", "0.0.0.0");
  for (const char* const asks :
       {"auth-user", "htpasswd-file", "token-file", "app-name"}) {
    if (!flags->values[asks].empty()) set("allowed-hosts", "*");
  }
  return absl::OkStatus();
}

}  // namespace millstream::app
