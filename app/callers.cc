#include "app/callers.h"

#include "auth/fixed_user.h"
#include "auth/htpasswd_file.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace millstream::app {

absl::StatusOr<std::unique_ptr<auth::Gate>> MakeGate(const Config& config) {
  std::unique_ptr<auth::UserSource> users;
  if (!config.htpasswd_file.empty()) {
    if (!config.auth_user.empty()) {
      LogWarning("--htpasswd-file says who may call; --auth-user (or "
                 "MLFLOW_TRACKING_USERNAME) has no effect.");
    }
    ASSIGN_OR_RETURN(users, auth::OpenHtpasswdFile(config.htpasswd_file,
                                                   &Clock::System()));
  } else if (!config.auth_user.empty()) {
    ASSIGN_OR_RETURN(users, auth::MakeFixedUser(config.auth_user,
                                                config.auth_password));
  } else {
    return nullptr;
  }
  return std::make_unique<auth::Gate>(std::move(users), &Clock::System());
}

}  // namespace millstream::app
