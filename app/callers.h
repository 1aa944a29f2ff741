// Who may call: the users that the settings name.
#ifndef MILLSTREAM_APP_CALLERS_H_
#define MILLSTREAM_APP_CALLERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "app/config.h"
#include "auth/gate.h"

namespace millstream::app {

// Null if callers are not asked who they are. INVALID_ARGUMENT naming the flag
// for users that make no sense.
absl::StatusOr<std::unique_ptr<auth::Gate>> MakeGate(const Config& config);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_CALLERS_H_
