// Errors of MySQL and MariaDB as statuses, and what to do about them.
#ifndef MILLSTREAM_STORAGE_MYSQL_MYSQL_ERROR_H_
#define MILLSTREAM_STORAGE_MYSQL_MYSQL_ERROR_H_

#include <string_view>

#include "storage/sql/fault.h"

namespace millstream::storage::mysql {

using sql::ConnectionLost;
using sql::Fault;
using sql::FaultKind;

// The fault that an error number of the server or the client library stands
// for. The status's code is one of storage/sql/database.h; its message holds no
// values, SQL, host or password. `message` is the server's: shown only of
// errors that are about our own SQL. Thread-safe.
Fault FaultOf(unsigned int number, std::string_view message);

}  // namespace millstream::storage::mysql

#endif  // MILLSTREAM_STORAGE_MYSQL_MYSQL_ERROR_H_
