// The users database of MLflow's basic-auth app, a SQLite file.
#ifndef MILLSTREAM_AUTH_SQLITE_USER_STORE_H_
#define MILLSTREAM_AUTH_SQLITE_USER_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "auth/user_store.h"
#include "base/clock.h"

namespace millstream::auth {

// Opens or makes the file at `path`. It has MLflow 3.17's tables, so either
// server can take it over from the other. FAILED_PRECONDITION, saying what to
// do, for one of another revision. `clock` must outlive the result.
absl::StatusOr<std::shared_ptr<UserStore>> OpenSqliteUserStore(
    const std::string& path, const Clock* clock);

// Makes the first administrator, if the user is not there yet; as MLflow does,
// never with a password that everybody knows. INVALID_ARGUMENT naming the
// variables to set.
absl::Status EnsureAdmin(UserStore* store, const std::string& name,
                         const std::string& password);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_SQLITE_USER_STORE_H_
