// Who may call: the users that the settings name.
#ifndef MILLSTREAM_APP_CALLERS_H_
#define MILLSTREAM_APP_CALLERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "app/config.h"
#include "auth/gate.h"
#include "auth/permission.h"
#include "auth/user_store.h"
#include "base/liveness.h"

namespace millstream::app {

struct Callers {
  // Null if callers are not asked who they are.
  std::unique_ptr<auth::Gate> gate;
  // Users with permissions; null if all may do all.
  std::shared_ptr<auth::UserStore> users;
  // What is permitted where nothing is granted.
  auth::Permission by_default = auth::Permission::kRead;
};

// INVALID_ARGUMENT naming the flag for users that make no sense. A database
// server that is not there yet is waited for while `starter` waits.
absl::StatusOr<Callers> MakeCallers(const Config& config,
                                    const Liveness& starter);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_CALLERS_H_
