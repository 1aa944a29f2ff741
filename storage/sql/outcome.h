// Writes of which nobody knows whether they took place, because the connection
// to the database was lost during the commit; and how those that make something
// new find out.
#ifndef MILLSTREAM_STORAGE_SQL_OUTCOME_H_
#define MILLSTREAM_STORAGE_SQL_OUTCOME_H_

#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// kUnavailable.
absl::Status OutcomeUnknownError();
bool IsOutcomeUnknown(const absl::Status& status);

// Database::Write for a body that makes something new. If the outcome is
// unknown, a second transaction asks `is_made` whether the first has made it,
// by what only this call can have given it (a new id; a name with the time of
// the call); if it has not, runs `body` again. A transaction of the first that
// is still under way is waited for: it holds the key that `body` takes. OK then
// means, as ever, that it was made, and once.
//
// Who writes what is the same however often it is written has no need of this:
// the caller is told kUnavailable and asks again.
absl::Status WriteNew(
    Database* database,
    absl::FunctionRef<absl::StatusOr<bool>(Transaction&)> is_made,
    absl::FunctionRef<absl::Status(Transaction&)> body);

// Whether a query has a row, for `is_made`.
template <typename... Args>
absl::StatusOr<bool> FindsRow(Connection& connection, std::string_view sql,
                              const Args&... args) {
  ASSIGN_OR_RETURN(StatementPtr row, connection.Query(sql, args...));
  return row->Step();
}

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_OUTCOME_H_
