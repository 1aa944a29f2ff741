// What became of a transaction on a database server, and what can be done.
#ifndef MILLSTREAM_STORAGE_SQL_FAULT_H_
#define MILLSTREAM_STORAGE_SQL_FAULT_H_

#include "absl/status/status.h"
#include "storage/sql/outcome.h"

namespace millstream::storage::sql {

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

// kConnectionLost.
inline Fault ConnectionLost() {
  return {FaultKind::kConnectionLost,
          absl::UnavailableError("the connection to the database was lost")};
}

// kOutcomeUnknown. IsOutcomeUnknown tells its status.
inline Fault OutcomeUnknown() {
  return {FaultKind::kOutcomeUnknown, OutcomeUnknownError()};
}

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_FAULT_H_
