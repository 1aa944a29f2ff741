// The users of MLflow's basic-auth app, in its tables of any SQL database.
#ifndef MILLSTREAM_AUTH_SQL_USER_STORE_H_
#define MILLSTREAM_AUTH_SQL_USER_STORE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "auth/user_store.h"
#include "storage/sql/database.h"

namespace millstream::auth {

// Makes MLflow's tables of users where there are none, as
// storage::mlflow::PrepareUserSchema() does, and returns what it says if it
// fails. Any number of servers, mlflow's too, may share the database.
//
// All of it is kept in memory, and looked through again by a thread of its own
// every second: no call waits for the database but those that change something,
// and what is refused for a reason that may be out of date (Refresh). While the
// database is away, what was read last holds.
absl::StatusOr<std::shared_ptr<UserStore>> OpenSqlUserStore(
    std::unique_ptr<storage::sql::Database> database,
    std::string_view shown_uri);

// Makes the first administrator, if the user is not there yet; as MLflow does,
// never with a password that everybody knows. INVALID_ARGUMENT naming the
// variables to set.
absl::Status EnsureAdmin(UserStore* store, const std::string& name,
                         const std::string& password);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_SQL_USER_STORE_H_
