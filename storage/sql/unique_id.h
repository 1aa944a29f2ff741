// Ids that nothing else has.
#ifndef MILLSTREAM_STORAGE_SQL_UNIQUE_ID_H_
#define MILLSTREAM_STORAGE_SQL_UNIQUE_ID_H_

#include <string>

namespace millstream::storage::sql {

// 32 hexadecimal digits that sort, as text, in the order in which this process
// made them; between processes by the clock, to the millisecond. Thread-safe.
std::string NewOrderedId();

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_UNIQUE_ID_H_
