// PostgreSQL's errors as statuses, and what to do about them.
#ifndef MILLSTREAM_STORAGE_POSTGRES_POSTGRES_ERROR_H_
#define MILLSTREAM_STORAGE_POSTGRES_POSTGRES_ERROR_H_

#include <string_view>

#include "absl/status/status.h"

namespace millstream::storage::postgres {

// What became of a transaction.
enum class FaultKind {
  kNone,
  // It failed, and would again.
  kOrdinary,
  // A key is taken. By a transaction that committed while this one ran it may
  // have been: run again, the transaction sees that row.
  kKeyTaken,
  // Another transaction was in the way: run it again.
  kConflict,
  // The server has lost or cannot reuse a prepared statement.
  kStatementLost,
  // The connection is of no use any more, and nothing was committed.
  kConnectionLost,
  // The connection was lost while the commit was under way.
  kOutcomeUnknown,
};

struct Fault {
  FaultKind kind = FaultKind::kNone;
  absl::Status status;

  explicit operator bool() const { return kind != FaultKind::kNone; }
};

// The fault that an error report of the server stands for. `severity` is not
// translated ("ERROR", "FATAL"); `constraint` may be empty. The status's code
// is one of storage/sql/database.h; its message holds no values, SQL, host or
// password. `message` is the server's: shown only of errors that are about our
// own SQL. Thread-safe.
Fault FaultOf(std::string_view sqlstate, std::string_view severity,
              std::string_view constraint, std::string_view message);

// kConnectionLost.
Fault ConnectionLost();

}  // namespace millstream::storage::postgres

#endif  // MILLSTREAM_STORAGE_POSTGRES_POSTGRES_ERROR_H_
