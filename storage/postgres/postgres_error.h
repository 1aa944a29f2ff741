// PostgreSQL's errors as statuses, and what to do about them.
#ifndef MILLSTREAM_STORAGE_POSTGRES_POSTGRES_ERROR_H_
#define MILLSTREAM_STORAGE_POSTGRES_POSTGRES_ERROR_H_

#include <string_view>

#include "absl/status/status.h"
#include "storage/sql/fault.h"

namespace millstream::storage::postgres {

using sql::ConnectionLost;
using sql::Fault;
using sql::FaultKind;

// The fault that an error report of the server stands for. `severity` is not
// translated ("ERROR", "FATAL"); `constraint` may be empty. The status's code
// is one of storage/sql/database.h; its message holds no values, SQL, host or
// password. `message` is the server's: shown only of errors that are about our
// own SQL. Thread-safe.
Fault FaultOf(std::string_view sqlstate, std::string_view severity,
              std::string_view constraint, std::string_view message);

}  // namespace millstream::storage::postgres

#endif  // MILLSTREAM_STORAGE_POSTGRES_POSTGRES_ERROR_H_
