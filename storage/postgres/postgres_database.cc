#include "storage/postgres/postgres_database.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/postgres/postgres_session.h"
#include "storage/sql/backoff.h"

namespace millstream::storage::postgres {
namespace {

constexpr char kBeginRead[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr char kBeginWrite[] =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE";

// Waits between attempts to connect, and to run what met another transaction.
constexpr absl::Duration kConnectFirst = absl::Milliseconds(20);
constexpr absl::Duration kConnectLongest = absl::Seconds(1);
constexpr absl::Duration kReconnectWait = absl::Milliseconds(200);
constexpr absl::Duration kStartLongest = absl::Seconds(5);
constexpr absl::Duration kConflictFirst = absl::Milliseconds(1);
constexpr absl::Duration kConflictLongest = absl::Milliseconds(50);
// How often a start tells that it still waits.
constexpr absl::Duration kTellInterval = absl::Seconds(15);
// Runs of one Write that found a key taken, or a statement lost.
constexpr int kKeyTakenMax = 2;
constexpr int kStatementLostMax = 3;

std::string Seconds(absl::Duration duration) {
  return StrCat(absl::ToInt64Seconds(duration), " s");
}

}  // namespace

PostgresDatabase::PostgresDatabase(PostgresOptions options)
    : options_(std::move(options)),
      connection_options_{.keywords = options_.keywords,
                          .statement_timeout = options_.statement_timeout},
      pool_(options_.pool) {}

absl::StatusOr<std::unique_ptr<PostgresDatabase>> PostgresDatabase::Open(
    PostgresOptions options, const Liveness& starter) {
  std::unique_ptr<PostgresDatabase> database(
      new PostgresDatabase(std::move(options)));
  const std::string& name = database->options_.name;
  const absl::Time begin = absl::Now();
  const absl::Time deadline = begin + database->options_.wait_at_start;
  sql::Backoff backoff(kConnectFirst, kStartLongest);
  absl::Time tell = begin;
  for (;;) {
    RETURN_IF_ERROR(starter.Alive());
    absl::StatusOr<ConnectionPtr> connection = database->ConnectOnce();
    const absl::Time now = absl::Now();
    if (connection.ok()) {
      if (tell != begin) {
        LogInfo("PostgreSQL at ", name, " is there, after ",
                Seconds(now - begin));
      }
      ASSIGN_OR_RETURN(ConnectionPtr none, database->pool_.Take(starter));
      database->pool_.GiveBack(*std::move(connection));
      return database;
    }
    const std::string_view reason = StdView(connection.status().message());
    if (now >= deadline) {
      return absl::UnavailableError(
          StrCat("PostgreSQL at ", name, " could not be reached for ",
                 Seconds(database->options_.wait_at_start), ": ", reason));
    }
    if (now >= tell) {
      LogWarning("Waiting for PostgreSQL at ", name, ", for ",
                 Seconds(deadline - now), " at most: ", reason);
      tell = now + kTellInterval;
    }
    RETURN_IF_ERROR(sql::SleepFor(
        std::min(backoff.Next(), deadline - now), starter));
  }
}

absl::StatusOr<PostgresDatabase::ConnectionPtr>
PostgresDatabase::ConnectOnce() {
  absl::StatusOr<ConnectionPtr> connection =
      PostgresConnection::Connect(connection_options_);
  return connection;
}

absl::StatusOr<PostgresDatabase::ConnectionPtr> PostgresDatabase::Connect(
    const Liveness& caller, absl::Time deadline) {
  sql::Backoff backoff(kConnectFirst, kConnectLongest);
  for (;;) {
    RETURN_IF_ERROR(caller.Alive());
    absl::StatusOr<ConnectionPtr> connection = ConnectOnce();
    if (connection.ok()) {
      if (away_.exchange(false)) {
        LogInfo("PostgreSQL at ", options_.name, " is back");
      }
      return connection;
    }
    if (!away_.exchange(true)) {
      LogWarning("PostgreSQL at ", options_.name, " cannot be reached: ",
                 StdView(connection.status().message()));
    }
    const absl::Time now = absl::Now();
    if (now >= deadline) {
      return absl::UnavailableError("the database cannot be reached");
    }
    RETURN_IF_ERROR(
        sql::SleepFor(std::min(backoff.Next(), deadline - now), caller));
  }
}

absl::StatusOr<PostgresDatabase::ConnectionPtr> PostgresDatabase::Take(
    const Liveness& caller, absl::Time deadline) {
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

absl::Status PostgresDatabase::Replace(const Liveness& caller,
                                       absl::Time deadline,
                                       ConnectionPtr* connection) {
  ASSIGN_OR_RETURN(ConnectionPtr other, Connect(caller, deadline));
  *connection = std::move(other);
  return absl::OkStatus();
}

void PostgresDatabase::NoteFault(FaultKind fault) {
  if (fault == FaultKind::kStatementLost && prepares_.exchange(false)) {
    LogInfo("PostgreSQL at ", options_.name,
            " does not keep prepared statements (a pooler?); going on without");
  }
}

void PostgresDatabase::GiveBack(ConnectionPtr connection, FaultKind fault) {
  NoteFault(fault);
  connection->WorkFor(nullptr);
  if (connection->is_spent() || fault == FaultKind::kStatementLost) {
    connection.reset();
  }
  pool_.GiveBack(std::move(connection));
}

absl::Status PostgresDatabase::Reconnect(const Liveness& caller,
                                         absl::Time deadline, int* attempts,
                                         ConnectionPtr* connection) {
  // A server may take connections and no transactions: one that is no longer
  // the primary, say.
  if (++*attempts > 1) {
    if (absl::Now() >= deadline) return (*connection)->fault().status;
    RETURN_IF_ERROR(sql::SleepFor(kReconnectWait, caller));
  }
  if ((*connection)->fault().kind == FaultKind::kStatementLost) {
    // Not twice: the next one is not asked to keep any.
    if (!prepares_.load(std::memory_order_relaxed)) {
      return (*connection)->fault().status;
    }
    NoteFault(FaultKind::kStatementLost);
  }
  RETURN_IF_ERROR(Replace(caller, deadline, connection));
  (*connection)->set_prepares(prepares_.load(std::memory_order_relaxed));
  (*connection)->WorkFor(&caller);
  return absl::OkStatus();
}

absl::Status PostgresDatabase::ReadFor(
    const Liveness& caller,
    absl::FunctionRef<absl::Status(sql::Connection&)> body) {
  const absl::Time deadline = absl::Now() + options_.reconnect;
  ASSIGN_OR_RETURN(ConnectionPtr connection, Take(caller, deadline));
  connection->WorkFor(&caller);
  int attempts = 0;
  const auto reconnect = [&](ConnectionPtr* lost) {
    return Reconnect(caller, deadline, &attempts, lost);
  };
  PostgresSession session(std::move(connection), kBeginRead, reconnect);
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

absl::Status PostgresDatabase::WriteOnce(
    absl::Time deadline,
    absl::FunctionRef<absl::Status(sql::Transaction&)> body, Fault* fault) {
  const Liveness& caller = Liveness::Always();
  ASSIGN_OR_RETURN(ConnectionPtr connection, Take(caller, deadline));
  int attempts = 0;
  const auto reconnect = [&](ConnectionPtr* lost) {
    return Reconnect(caller, deadline, &attempts, lost);
  };
  PostgresSession session(std::move(connection), kBeginWrite, reconnect);
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

absl::Status PostgresDatabase::Write(
    absl::FunctionRef<absl::Status(sql::Transaction&)> body) {
  const absl::Time deadline = absl::Now() + options_.reconnect;
  sql::Backoff conflict_backoff(kConflictFirst, kConflictLongest);
  sql::Backoff connect_backoff(kConnectFirst, kConnectLongest);
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
        if (++conflicts > kConflictsMax) return status;
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
    RETURN_IF_ERROR(sql::SleepFor(wait, Liveness::Always()));
  }
}

}  // namespace millstream::storage::postgres
