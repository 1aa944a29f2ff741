// sql::Database on a database server that any number of processes use at once:
// what is alike for those that speak over a connection. Nothing that this
// process remembers decides what is right.
//
// Repetition of bodies that have no effect yet:
// - A transaction that met another one (serialization failure, deadlock, a lock
//   that is held too long) is run again, up to kConflictsMax times and for
//   kConflictTime. Then it is IsHeldUp.
// - One that found a key taken is run again once: the key may have been taken
//   by a transaction that committed meanwhile, whose row the second run sees.
//   What it says then stays.
// - When the connection is lost, for instance because the database restarts: a
//   transaction whose first statement has not answered goes on with another
//   connection; a write of which nothing was committed is run again. Attempts
//   to connect go on with growing waits for Options::reconnect.
// A read that has seen rows already is not repeated, because its body may have
// passed them on: kUnavailable, and the caller asks again.
//
// A commit whose answer is lost has taken place or not: kUnavailable, which
// clients repeat. Writes of this API that are repeated change nothing more;
// those that make something with a new id find out (storage/sql/outcome.h).
//
// OK of Write means what the server makes of a commit: by default, that the
// write survives a crash of its machine.
//
// `Engine` names the parts of a backend (storage/postgres, storage/mysql):
//   Options      with name, pool, reconnect, wait_at_start, fresh_password and
//                SetPassword
//   Connection   one session of the server, used by one thread at a time
//   Session      a sql::Transaction on it, with what begins one
//   Connect      opens a Connection; its message is for the log alone
//   kName, kBeginRead, kBeginWrite
#ifndef MILLSTREAM_STORAGE_SQL_SERVER_DATABASE_H_
#define MILLSTREAM_STORAGE_SQL_SERVER_DATABASE_H_

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/liveness.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sql/backoff.h"
#include "storage/sql/connection_pool.h"
#include "storage/sql/database.h"
#include "storage/sql/fault.h"
#include "storage/sql/held_up.h"

namespace millstream::storage::sql {

// Thread-safe. Destroyed when no call runs any more.
template <typename Engine>
class ServerDatabase final : public Database {
 public:
  using Options = typename Engine::Options;

  // Of one Write. Backends wait for a lock for half of the time.
  static constexpr int kConflictsMax = 50;
  static constexpr absl::Duration kConflictTime = absl::Seconds(10);

  // Connects, and waits for a server that is not there yet or refuses (a
  // container that is being set up has no users at first), telling the log what
  // it waits for. kUnavailable: it was not there in time, with the client
  // library's words, which name host and user; or what `starter` says.
  static absl::StatusOr<std::unique_ptr<ServerDatabase>> Open(
      Options options, const Liveness& starter = Liveness::Always());

  absl::Status ReadFor(
      const Liveness& caller,
      absl::FunctionRef<absl::Status(sql::Connection&)> body) override;
  absl::Status Write(
      absl::FunctionRef<absl::Status(Transaction&)> body) override;
  // Nothing to do: the server decides when a commit is durable.
  absl::Status Sync() override { return absl::OkStatus(); }

  void AppendReadings(Readings* readings) const override {
    readings->push_back({.name = "millstream_pool_connections_open",
                         .help = "Connections to the database.",
                         .value = static_cast<double>(pool_.open())});
    readings->push_back({.name = "millstream_pool_connections_idle",
                         .help = "Those of them that nobody uses.",
                         .value = static_cast<double>(pool_.idle())});
  }

  // Connections that are open.
  int connections() const { return pool_.open(); }

 private:
  using ConnectionPtr = std::unique_ptr<typename Engine::Connection>;

  // Waits between attempts to connect, and to run what met another transaction.
  static constexpr absl::Duration kConnectFirst = absl::Milliseconds(20);
  static constexpr absl::Duration kConnectLongest = absl::Seconds(1);
  static constexpr absl::Duration kReconnectWait = absl::Milliseconds(200);
  static constexpr absl::Duration kStartLongest = absl::Seconds(5);
  static constexpr absl::Duration kConflictFirst = absl::Milliseconds(1);
  static constexpr absl::Duration kConflictLongest = absl::Milliseconds(50);
  // How often a start tells that it still waits.
  static constexpr absl::Duration kTellInterval = absl::Seconds(15);
  // Between two questions for the password.
  static constexpr absl::Duration kAskInterval = absl::Seconds(10);
  // Runs of one Write that found a key taken, or a statement lost.
  static constexpr int kKeyTakenMax = 2;
  static constexpr int kStatementLostMax = 3;

  explicit ServerDatabase(Options options)
      : options_(std::move(options)), pool_(options_.pool) {}

  static std::string Seconds(absl::Duration duration) {
    return StrCat(absl::ToInt64Seconds(duration), " s");
  }

  // Tries once; if that fails, and another password is to be had, once more:
  // secrets are rotated while we run.
  absl::StatusOr<ConnectionPtr> ConnectOnce();
  // Whether the password is another one than that of `tried` now.
  bool AskForPassword(const std::string& tried);
  std::string password() const {
    absl::MutexLock lock(&password_mutex_);
    return password_;
  }
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
  absl::Status WriteOnce(absl::Time deadline,
                         absl::FunctionRef<absl::Status(Transaction&)> body,
                         Fault* fault);

  const Options options_;
  ConnectionPool<typename Engine::Connection> pool_;
  // Instead of that of options_, once it was asked for; empty: not yet.
  mutable absl::Mutex password_mutex_;
  std::string password_ ABSL_GUARDED_BY(password_mutex_);
  absl::Time asked_ ABSL_GUARDED_BY(password_mutex_) = absl::InfinitePast();
  // The last attempt to connect failed.
  std::atomic<bool> away_{false};
  // Cleared when a pooler turns out not to keep prepared statements.
  std::atomic<bool> prepares_{true};
};

template <typename Engine>
absl::StatusOr<std::unique_ptr<ServerDatabase<Engine>>>
ServerDatabase<Engine>::Open(Options options, const Liveness& starter) {
  std::unique_ptr<ServerDatabase> database(
      new ServerDatabase(std::move(options)));
  const std::string& name = database->options_.name;
  const absl::Time begin = absl::Now();
  const absl::Time deadline = begin + database->options_.wait_at_start;
  Backoff backoff(kConnectFirst, kStartLongest);
  absl::Time tell = begin;
  for (;;) {
    RETURN_IF_ERROR(starter.Alive());
    absl::StatusOr<ConnectionPtr> connection = database->ConnectOnce();
    const absl::Time now = absl::Now();
    if (connection.ok()) {
      if (tell != begin) {
        LogInfo(Engine::kName, " at ", name, " is there, after ",
                Seconds(now - begin));
      }
      ASSIGN_OR_RETURN(ConnectionPtr none, database->pool_.Take(starter));
      database->pool_.GiveBack(*std::move(connection));
      return database;
    }
    const std::string_view reason = StdView(connection.status().message());
    if (now >= deadline) {
      return absl::UnavailableError(
          StrCat(Engine::kName, " at ", name, " could not be reached for ",
                 Seconds(database->options_.wait_at_start), ": ", reason));
    }
    if (now >= tell) {
      LogWarning("Waiting for ", Engine::kName, " at ", name, ", for ",
                 Seconds(deadline - now), " at most: ", reason);
      tell = now + kTellInterval;
    }
    RETURN_IF_ERROR(
        SleepFor(std::min(backoff.Next(), deadline - now), starter));
  }
}

template <typename Engine>
absl::StatusOr<typename ServerDatabase<Engine>::ConnectionPtr>
ServerDatabase<Engine>::ConnectOnce() {
  const auto connect = [this](const std::string& password) {
    if (password.empty()) return Engine::Connect(options_);
    Options options = options_;
    options.SetPassword(password);
    return Engine::Connect(options);
  };
  const std::string tried = password();
  absl::StatusOr<ConnectionPtr> connection = connect(tried);
  // Why it failed is not asked: products do not all say so.
  if (connection.ok() || !AskForPassword(tried)) return connection;
  return connect(password());
}

template <typename Engine>
bool ServerDatabase<Engine>::AskForPassword(const std::string& tried) {
  if (options_.fresh_password == nullptr) return false;
  // Others wait for the answer, which is theirs too.
  absl::MutexLock lock(&password_mutex_);
  if (password_ != tried) return true;
  if (absl::Now() - asked_ < kAskInterval) return false;
  absl::StatusOr<std::string> fresh = options_.fresh_password();
  asked_ = absl::Now();
  if (!fresh.ok()) {
    LogWarning("The password of ", options_.name, " cannot be asked for anew: ",
               StdView(fresh.status().message()));
    return false;
  }
  if (fresh->empty() || *fresh == password_) return false;
  password_ = *std::move(fresh);
  return true;
}

template <typename Engine>
absl::StatusOr<typename ServerDatabase<Engine>::ConnectionPtr>
ServerDatabase<Engine>::Connect(const Liveness& caller, absl::Time deadline) {
  Backoff backoff(kConnectFirst, kConnectLongest);
  for (;;) {
    RETURN_IF_ERROR(caller.Alive());
    absl::StatusOr<ConnectionPtr> connection = ConnectOnce();
    if (connection.ok()) {
      if (away_.exchange(false)) {
        LogInfo(Engine::kName, " at ", options_.name, " is back");
      }
      return connection;
    }
    if (!away_.exchange(true)) {
      LogWarning(Engine::kName, " at ", options_.name, " cannot be reached: ",
                 StdView(connection.status().message()));
    }
    const absl::Time now = absl::Now();
    if (now >= deadline) {
      return absl::UnavailableError("the database cannot be reached");
    }
    RETURN_IF_ERROR(SleepFor(std::min(backoff.Next(), deadline - now), caller));
  }
}

template <typename Engine>
absl::StatusOr<typename ServerDatabase<Engine>::ConnectionPtr>
ServerDatabase<Engine>::Take(const Liveness& caller, absl::Time deadline) {
  ASSIGN_OR_RETURN(ConnectionPtr connection, pool_.Take(caller));
  if (connection == nullptr || !connection->IsUsable()) {
    const absl::Status status = Replace(caller, deadline, &connection);
    if (!status.ok()) {
      pool_.GiveBack(nullptr);
      return status;
    }
  }
  connection->set_prepares(prepares_.load(std::memory_order_relaxed));
  return connection;
}

template <typename Engine>
absl::Status ServerDatabase<Engine>::Replace(const Liveness& caller,
                                             absl::Time deadline,
                                             ConnectionPtr* connection) {
  ASSIGN_OR_RETURN(ConnectionPtr other, Connect(caller, deadline));
  *connection = std::move(other);
  return absl::OkStatus();
}

template <typename Engine>
void ServerDatabase<Engine>::NoteFault(FaultKind fault) {
  if (fault == FaultKind::kStatementLost && prepares_.exchange(false)) {
    LogInfo(Engine::kName, " at ", options_.name,
            " does not keep prepared statements (a pooler?); going on without");
  }
}

template <typename Engine>
void ServerDatabase<Engine>::GiveBack(ConnectionPtr connection,
                                      FaultKind fault) {
  NoteFault(fault);
  connection->WorkFor(nullptr);
  if (connection->is_spent() || fault == FaultKind::kStatementLost) {
    connection.reset();
  }
  pool_.GiveBack(std::move(connection));
}

template <typename Engine>
absl::Status ServerDatabase<Engine>::Reconnect(const Liveness& caller,
                                               absl::Time deadline,
                                               int* attempts,
                                               ConnectionPtr* connection) {
  // A server may take connections and no transactions: one that is no longer
  // the primary, say.
  if (++*attempts > 1) {
    if (absl::Now() >= deadline) return (*connection)->fault().status;
    RETURN_IF_ERROR(SleepFor(kReconnectWait, caller));
  }
  if ((*connection)->fault().kind == FaultKind::kStatementLost) {
    // The next one is not asked to keep any. A server may have no room for a
    // single one until it has noticed which sessions are gone.
    if (*attempts >= kStatementLostMax) return (*connection)->fault().status;
    NoteFault(FaultKind::kStatementLost);
  }
  RETURN_IF_ERROR(Replace(caller, deadline, connection));
  (*connection)->set_prepares(prepares_.load(std::memory_order_relaxed));
  (*connection)->WorkFor(&caller);
  return absl::OkStatus();
}

template <typename Engine>
absl::Status ServerDatabase<Engine>::ReadFor(
    const Liveness& caller,
    absl::FunctionRef<absl::Status(sql::Connection&)> body) {
  const absl::Time deadline = absl::Now() + options_.reconnect;
  ASSIGN_OR_RETURN(ConnectionPtr connection, Take(caller, deadline));
  connection->WorkFor(&caller);
  int attempts = 0;
  const auto reconnect = [&](ConnectionPtr* lost) {
    return Reconnect(caller, deadline, &attempts, lost);
  };
  typename Engine::Session session(std::move(connection), Engine::kBeginRead,
                                   reconnect);
  absl::Status status = body(session);
  connection = session.TakeConnection();
  const FaultKind fault = connection->fault().kind;
  connection->EndRead();
  GiveBack(std::move(connection), fault);
  if (absl::Status alive = caller.Alive();
      absl::IsCancelled(status) && !alive.ok()) {
    return alive;
  }
  return status;
}

template <typename Engine>
absl::Status ServerDatabase<Engine>::WriteOnce(
    absl::Time deadline, absl::FunctionRef<absl::Status(Transaction&)> body,
    Fault* fault) {
  const Liveness& caller = Liveness::Always();
  ASSIGN_OR_RETURN(ConnectionPtr connection, Take(caller, deadline));
  int attempts = 0;
  const auto reconnect = [&](ConnectionPtr* lost) {
    return Reconnect(caller, deadline, &attempts, lost);
  };
  typename Engine::Session session(std::move(connection), Engine::kBeginWrite,
                                   reconnect);
  absl::Status status = body(session);
  connection = session.TakeConnection();
  if (status.ok()) {
    connection->Commit();
    *fault = connection->fault();
    status = fault->status;
  } else {
    *fault = connection->fault();
    connection->Rollback();
  }
  GiveBack(std::move(connection), fault->kind);
  return status;
}

template <typename Engine>
absl::Status ServerDatabase<Engine>::Write(
    absl::FunctionRef<absl::Status(Transaction&)> body) {
  const absl::Time begin = absl::Now();
  const absl::Time deadline = begin + options_.reconnect;
  Backoff conflict_backoff(kConflictFirst, kConflictLongest);
  Backoff connect_backoff(kConnectFirst, kConnectLongest);
  int conflicts = 0, keys_taken = 0, statements_lost = 0;
  for (;;) {
    Fault fault;
    absl::Status status = WriteOnce(deadline, body, &fault);
    absl::Duration wait = absl::ZeroDuration();
    switch (fault.kind) {
      case FaultKind::kNone:
      case FaultKind::kOrdinary:
      case FaultKind::kOutcomeUnknown:
        return status;
      case FaultKind::kKeyTaken:
        if (++keys_taken >= kKeyTakenMax) return status;
        break;
      case FaultKind::kConflict:
        if (++conflicts > kConflictsMax ||
            absl::Now() - begin >= kConflictTime) {
          return HeldUp(std::move(status));
        }
        wait = conflict_backoff.Next();
        break;
      case FaultKind::kStatementLost:
        if (++statements_lost >= kStatementLostMax) return status;
        break;
      case FaultKind::kConnectionLost:
        if (absl::Now() >= deadline) return status;
        wait = connect_backoff.Next();
        break;
    }
    RETURN_IF_ERROR(SleepFor(wait, Liveness::Always()));
  }
}

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_SERVER_DATABASE_H_
