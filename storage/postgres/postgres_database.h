// sql::Database on a PostgreSQL server, or one that speaks like it. Any number
// of processes may use one database: nothing that this one remembers decides
// what is right.
//
// Isolation. Read: REPEATABLE READ READ ONLY, one snapshot for the whole body.
// Write: REPEATABLE READ. What a body has read stays so until it commits, or
// the transaction is refused and run again: of two that read a row and then
// write it, the second sees what the first has made of it. READ COMMITTED would
// lose one of them. SERIALIZABLE would also order transactions that read what
// the other writes elsewhere; nothing here depends on that, and on small tables
// it refuses many that are not in each other's way.
//
// Repetition, by this backend, of bodies that have no effect yet:
// - A transaction that met another one (serialization failure, deadlock) is
//   run again, up to kConflictsMax times.
// - One that found a key taken is run again once: the key may have been taken
//   by a transaction that committed meanwhile, whose row the second run sees.
//   What it says then stays.
// - When the connection is lost, for instance because the database restarts: a
//   transaction whose first statement has not answered goes on with another
//   connection; a write of which nothing was committed is run again. Attempts
//   to connect go on with growing waits for PostgresOptions::reconnect.
// A read that has seen rows already is not repeated, because its body may have
// passed them on: kUnavailable, and the caller asks again.
//
// A commit whose answer is lost has taken place or not: kUnavailable, which
// clients repeat. Writes of this API that are repeated change nothing more, but
// for those that make something with a new id.
//
// OK of Write means what the server's synchronous_commit means: by default,
// that the write survives a crash of its machine.
#ifndef MILLSTREAM_STORAGE_POSTGRES_POSTGRES_DATABASE_H_
#define MILLSTREAM_STORAGE_POSTGRES_POSTGRES_DATABASE_H_

#include <atomic>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/liveness.h"
#include "storage/postgres/postgres_connection.h"
#include "storage/postgres/postgres_options.h"
#include "storage/sql/connection_pool.h"
#include "storage/sql/database.h"

namespace millstream::storage::postgres {

// Thread-safe. Destroyed when no call runs any more.
class PostgresDatabase final : public sql::Database {
 public:
  // Of one Write.
  static constexpr int kConflictsMax = 50;

  // Connects, and waits for a server that is not there yet or refuses (a
  // container that is being set up has no users at first), telling the log what
  // it waits for. kUnavailable: it was not there in time, with libpq's words,
  // which name host and user; or what `starter` says.
  static absl::StatusOr<std::unique_ptr<PostgresDatabase>> Open(
      PostgresOptions options, const Liveness& starter = Liveness::Always());

  absl::Status ReadFor(
      const Liveness& caller,
      absl::FunctionRef<absl::Status(sql::Connection&)> body) override;
  absl::Status Write(
      absl::FunctionRef<absl::Status(sql::Transaction&)> body) override;
  // Nothing to do: the server decides when a commit is durable.
  absl::Status Sync() override { return absl::OkStatus(); }

  // Connections that are open.
  int connections() const { return pool_.open(); }

 private:
  using ConnectionPtr = std::unique_ptr<PostgresConnection>;

  explicit PostgresDatabase(PostgresOptions options);

  absl::StatusOr<ConnectionPtr> ConnectOnce();
  // Goes on until `deadline`.
  absl::StatusOr<ConnectionPtr> Connect(const Liveness& caller,
                                        absl::Time deadline);
  absl::StatusOr<ConnectionPtr> Take(const Liveness& caller,
                                     absl::Time deadline);
  // Another connection instead of *connection, which stays if there is none.
  absl::Status Replace(const Liveness& caller, absl::Time deadline,
                       ConnectionPtr* connection);
  // The same for a session whose first statement has failed.
  absl::Status Reconnect(const Liveness& caller, absl::Time deadline,
                         int* attempts, ConnectionPtr* connection);
  void GiveBack(ConnectionPtr connection, FaultKind fault);
  void NoteFault(FaultKind fault);

  // Runs the body once. *fault: why it is not committed, if the reason is not
  // the body's.
  absl::Status WriteOnce(
      absl::Time deadline,
      absl::FunctionRef<absl::Status(sql::Transaction&)> body, Fault* fault);

  const PostgresOptions options_;
  const ConnectionOptions connection_options_;
  sql::ConnectionPool<PostgresConnection> pool_;
  // The last attempt to connect failed.
  std::atomic<bool> away_{false};
  // Cleared when a pooler turns out not to keep prepared statements.
  std::atomic<bool> prepares_{true};
};

}  // namespace millstream::storage::postgres

#endif  // MILLSTREAM_STORAGE_POSTGRES_POSTGRES_DATABASE_H_
