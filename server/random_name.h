// Ids and names that the server makes up. Thread-safe.
#ifndef MILLSTREAM_SERVER_RANDOM_NAME_H_
#define MILLSTREAM_SERVER_RANDOM_NAME_H_

#include <string>

namespace millstream::server {

// 32 hexadecimal digits, as a random UUID of version 4 without dashes.
std::string NewRunId();

// "quiet-otter-417": an adjective, a noun and a number up to 1000; 20
// characters at most. For people; not unique.
std::string RandomRunName();

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_RANDOM_NAME_H_
