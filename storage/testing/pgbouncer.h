// PgBouncer before a PostgresServer, from Debian's package pgbouncer.
#ifndef MILLSTREAM_STORAGE_TESTING_PGBOUNCER_H_
#define MILLSTREAM_STORAGE_TESTING_PGBOUNCER_H_

#include <sys/types.h>

#include <string>
#include <string_view>

#include "storage/testing/postgres_server.h"

namespace millstream::storage::testing {

// In transaction mode: each transaction is given one of a few sessions of the
// server, the one that was free last. Listens on a Unix socket; may not be
// there yet when it is made. Stopped when destroyed. Thread-compatible.
class Pgbouncer {
 public:
  // `server` must outlive it. `sessions`: of each database.
  Pgbouncer(const PostgresServer& server, int sessions);
  ~Pgbouncer();
  Pgbouncer(const Pgbouncer&) = delete;
  Pgbouncer& operator=(const Pgbouncer&) = delete;

  // Of a database of the server.
  std::string Uri(std::string_view database) const;

 private:
  const std::string folder_;
  pid_t process_ = -1;
};

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_TESTING_PGBOUNCER_H_
