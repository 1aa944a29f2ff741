// MLflow's tables of users, read whole.
#ifndef MILLSTREAM_AUTH_USER_TABLES_H_
#define MILLSTREAM_AUTH_USER_TABLES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "auth/user_store.h"
#include "storage/sql/database.h"

namespace millstream::auth {

// Thread-safe. Rows that make no sense are left out: permissions of names that
// this program does not know, assignments of users or roles that are not there.
absl::StatusOr<std::shared_ptr<const UserTable>> LoadUserTable(
    storage::sql::Connection& connection);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_USER_TABLES_H_
