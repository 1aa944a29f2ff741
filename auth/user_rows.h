// Rows of MLflow's tables of users: what several changes of them share.
#ifndef MILLSTREAM_AUTH_USER_ROWS_H_
#define MILLSTREAM_AUTH_USER_ROWS_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/sql/database.h"

namespace millstream::auth {

// All functions are thread-safe and work within the caller's transaction.
// RESOURCE_DOES_NOT_EXIST from those that name a user or a role: there is none.

absl::Status NoUser(std::string_view name);
absl::Status NoRole(int64_t id);

absl::StatusOr<int64_t> UserId(storage::sql::Transaction& t,
                               std::string_view name);
absl::Status CheckRoleExists(storage::sql::Transaction& t, int64_t id);

// Its id.
absl::StatusOr<int64_t> AddGrant(storage::sql::Transaction& t, int64_t role_id,
                                 std::string_view type,
                                 std::string_view pattern,
                                 std::string_view permission);
absl::Status DeleteGrant(storage::sql::Transaction& t, int64_t role_id,
                         std::string_view type, std::string_view pattern);

// Of the roles that belong to one user each: the grants on a thing go, or go
// with its name.
absl::Status DropOwnGrants(storage::sql::Transaction& t, std::string_view type,
                           std::string_view pattern);
absl::Status RenameOwnGrants(storage::sql::Transaction& t,
                             std::string_view type, std::string_view pattern,
                             std::string_view new_pattern);

// The role that belongs to the user alone; made if it is not there.
// INVALID_PARAMETER_VALUE: others have it too.
absl::StatusOr<int64_t> OwnRole(storage::sql::Transaction& t,
                                std::string_view user);

// With his own role, its grants and what he is assigned.
absl::Status DeleteUserRows(storage::sql::Transaction& t,
                            std::string_view name);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_USER_ROWS_H_
