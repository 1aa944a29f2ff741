// One user, whose password is part of the server's settings.
#ifndef MILLSTREAM_AUTH_FIXED_USER_H_
#define MILLSTREAM_AUTH_FIXED_USER_H_

#include <memory>
#include <string_view>

#include "auth/user_source.h"

namespace millstream::auth {

// Keeps a hash of the password, not the password. INVALID_ARGUMENT, naming the
// flag, for a user or password that no caller could send.
absl::StatusOr<std::unique_ptr<UserSource>> MakeFixedUser(
    std::string_view user, std::string_view password);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_FIXED_USER_H_
