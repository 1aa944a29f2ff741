// Users of a file as `htpasswd` writes it.
#ifndef MILLSTREAM_AUTH_HTPASSWD_FILE_H_
#define MILLSTREAM_AUTH_HTPASSWD_FILE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "auth/user_source.h"
#include "base/clock.h"

namespace millstream::auth {

// Hashes by user.
using Users = absl::flat_hash_map<std::string, std::string>;

// Reads lines "user:hash"; empty lines and those that start with "#" count for
// nothing. INVALID_ARGUMENT with the number of the line for what is no user,
// for a hash that CheckHash refuses (plain passwords are such), for a user
// who is there twice; and if there is nobody.
absl::StatusOr<Users> ParseHtpasswd(std::string_view text);

// The users of the file at `path`, which is looked at once a second and read
// again when it has changed. A change that cannot be read is told in the log,
// and the users stay as they were. INVALID_ARGUMENT naming the flag if it
// cannot be read now. `clock` must outlive the result.
absl::StatusOr<std::unique_ptr<UserSource>> OpenHtpasswdFile(
    std::string path, const Clock* clock);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_HTPASSWD_FILE_H_
