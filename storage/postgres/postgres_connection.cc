#include "storage/postgres/postgres_connection.h"

#include <errno.h>
#include <poll.h>
#include <postgresql/libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "absl/time/clock.h"
#include "base/str_cat.h"

namespace millstream::storage::postgres {
namespace {

// How often who waits for the server asks whether its caller still waits.
constexpr absl::Duration kLivenessInterval = absl::Milliseconds(50);

std::string_view Field(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? std::string_view() : text;
}

}  // namespace

void ResultDeleter::operator()(pg_result* result) const { PQclear(result); }

absl::StatusOr<std::unique_ptr<PostgresConnection>> PostgresConnection::Connect(
    const ConnectionOptions& options) {
  std::vector<const char*> keys, values;
  for (const auto& [key, value] : options.keywords) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* const conn = PQconnectdbParams(keys.data(), values.data(),
                                         /*expand_dbname=*/0);
  if (conn == nullptr) return absl::ResourceExhaustedError("no memory");
  std::unique_ptr<PostgresConnection> connection(
      new PostgresConnection(conn, options.statement_timeout));
  if (PQstatus(conn) != CONNECTION_OK) {
    std::string_view message = PQerrorMessage(conn);
    while (message.ends_with('\n')) message.remove_suffix(1);
    return absl::UnavailableError(AbslView(message));
  }
  connection->SetUp(options.statement_timeout);
  return connection;
}

PostgresConnection::PostgresConnection(pg_conn* conn,
                                       absl::Duration statement_timeout)
    : conn_(conn),
      statement_timeout_(statement_timeout),
      opened_(absl::Now()) {}

PostgresConnection::~PostgresConnection() { PQfinish(conn_); }

void PostgresConnection::SetUp(absl::Duration statement_timeout) {
  // Notices are about nothing that is wrong; libpq would print them.
  PQsetNoticeReceiver(conn_, [](void*, const PGresult*) {}, nullptr);
  if (PQsetnonblocking(conn_, 1) != 0 || PQenterPipelineMode(conn_) != 1) {
    return Lose();
  }
  // Not in the start-up packet, which poolers read: they refuse what they do
  // not know. Engines that do not know one of these work without.
  const std::string timeout =
      StrCat("SET statement_timeout = ",
             absl::ToInt64Milliseconds(statement_timeout));
  const std::string lock_timeout = StrCat(
      "SET lock_timeout = ", absl::ToInt64Milliseconds(kLockWait));
  for (const char* sql :
       {timeout.c_str(), lock_timeout.c_str(), "SET extra_float_digits = 3",
        // A client that hangs in a transaction must not hold its locks.
        "SET idle_in_transaction_session_timeout = 60000"}) {
    if (!SendCommand(sql, /*left_over=*/true) || !SendSync()) return;
  }
}

bool PostgresConnection::IsUsable() {
  if (spent_) return false;
  // What was not waited for has mostly arrived.
  deadline_ = absl::Now() + kGrace;
  while (!expected_.empty()) {
    if (PQflush(conn_) < 0 || PQconsumeInput(conn_) != 1) {
      Lose();
      return false;
    }
    // It will be waited for with the next statement.
    if (PQisBusy(conn_)) return true;
    FinishFront();
    if (spent_) return false;
  }
  // A server that says something unasked says that it ends.
  pollfd poll_for = {PQsocket(conn_), POLLIN, 0};
  if (poll(&poll_for, 1, 0) == 0) return true;
  Lose();
  return false;
}

void PostgresConnection::Begin(const char* begin) {
  begin_ = begin;
  in_transaction_ = true;
  committing_ = false;
  cancelled_ = false;
  fault_ = Fault();
  changes_ = 0;
}

std::shared_ptr<StatementText> PostgresConnection::Find(std::string_view sql) {
  if (auto found = by_text_.find(sql); found != by_text_.end()) {
    texts_.splice(texts_.begin(), texts_, found->second);
    return *found->second;
  }
  auto text = std::make_shared<StatementText>();
  text->sql = std::string(sql);
  text->postgres = NumberPlaceholders(sql, &text->parameters);
  if (sql.size() > kPreparedTextBytesMax) return text;
  EvictTexts();
  texts_.push_front(text);
  by_text_.emplace(text->sql, texts_.begin());
  return text;
}

void PostgresConnection::EvictTexts() {
  while (texts_.size() >= kPreparedMax) {
    const std::shared_ptr<StatementText> text = texts_.back();
    by_text_.erase(text->sql);
    texts_.pop_back();
    if (text->name.empty()) continue;
    // In a part of its own: it may fail without harm.
    const std::string sql = StrCat("DEALLOCATE ", text->name);
    text->name.clear();
    if (spent_ || fault_) continue;
    if (needs_sync_ && !SendSync()) return;
    if (!SendCommand(sql.c_str(), /*left_over=*/true)) return;
    if (!SendSync()) return;
  }
}

bool PostgresConnection::SendCommand(const char* sql, bool left_over) {
  if (PQsendQueryParams(conn_, sql, 0, nullptr, nullptr, nullptr, nullptr, 0) !=
      1) {
    Lose();
    return false;
  }
  Expect({Expected::Kind::kCommand, nullptr, nullptr, left_over});
  needs_sync_ = true;
  return true;
}

bool PostgresConnection::SendSync() {
  if (PQpipelineSync(conn_) != 1) {
    Lose();
    return false;
  }
  Expect({Expected::Kind::kSync});
  needs_sync_ = false;
  return true;
}

bool PostgresConnection::SendPrepare(const std::shared_ptr<StatementText>& text,
                                     std::vector<TypeId> types) {
  if (!text->name.empty() &&
      !SendCommand(StrCat("DEALLOCATE ", text->name).c_str())) {
    return false;
  }
  text->types = std::move(types);
  text->name = NameOf(*text);
  if (PQsendPrepare(conn_, text->name.c_str(), text->postgres.c_str(),
                    static_cast<int>(text->types.size()),
                    text->types.data()) != 1) {
    Lose();
    return false;
  }
  Expect({Expected::Kind::kPrepare, text});
  return true;
}

bool PostgresConnection::Send(const std::shared_ptr<StatementText>& text,
                              const Parameters& parameters,
                              RowReader* reader) {
  if (begin_ != nullptr) {
    // What is left over from the last transaction must not take this along.
    if (needs_sync_ && !SendSync()) return false;
    if (!SendCommand(begin_)) return false;
    begin_ = nullptr;
  }
  const bool keeps = prepares_ && text->sql.size() <= kPreparedTextBytesMax;
  if (keeps) {
    bool changed = false;
    std::vector<TypeId> types =
        MergeTypes(text->types, parameters.types(), &changed);
    if ((changed || text->name.empty()) &&
        !SendPrepare(text, std::move(types))) {
      return false;
    }
  }
  const int sent =
      keeps ? PQsendQueryPrepared(conn_, text->name.c_str(),
                                  parameters.count(), parameters.values(),
                                  parameters.lengths(), parameters.formats(),
                                  /*resultFormat=*/0)
            : PQsendQueryParams(conn_, text->postgres.c_str(),
                                parameters.count(), parameters.types().data(),
                                parameters.values(), parameters.lengths(),
                                parameters.formats(), /*resultFormat=*/0);
  if (sent != 1) {
    Lose();
    return false;
  }
  Expect({Expected::Kind::kRows, text, reader});
  needs_sync_ = true;
  return true;
}

absl::Status PostgresConnection::Execute(
    const std::shared_ptr<StatementText>& text, const Parameters& parameters,
    RowReader* reader) {
  BufferRows();
  if (fault_) return fault_.status;
  if (spent_) {
    fault_ = ConnectionLost();
    return fault_.status;
  }
  if (!Send(text, parameters, reader) || !SendSync()) return fault_.status;
  SetDeadline();
  reader->current = nullptr;
  reader->buffered.clear();
  reader->at_end = false;
  streaming_ = reader;
  FinishUntil(reader);
  if (fault_) {
    Forget(reader);
    reader->at_end = true;
    return fault_.status;
  }
  PQsetSingleRowMode(conn_);
  if (Fetch(reader)) {
    reader->buffered.push_back(std::move(reader->current));
  }
  return fault_.status;
}

absl::Status PostgresConnection::ExecuteLater(
    const std::shared_ptr<StatementText>& text, const Parameters& parameters) {
  if (fault_) return fault_.status;
  if (spent_) fault_ = ConnectionLost();
  Send(text, parameters, nullptr);
  return fault_.status;
}

absl::StatusOr<bool> PostgresConnection::Advance(RowReader* reader) {
  if (reader->current != nullptr &&
      ++reader->row < PQntuples(reader->current.get())) {
    return true;
  }
  reader->current = nullptr;
  reader->row = 0;
  if (!reader->buffered.empty()) {
    reader->current = std::move(reader->buffered.front());
    reader->buffered.pop_front();
    return true;
  }
  if (reader->at_end) {
    if (fault_) return fault_.status;
    return false;
  }
  if (Fetch(reader)) return true;
  if (fault_) return fault_.status;
  return false;
}

bool PostgresConnection::Fetch(RowReader* reader) {
  for (;;) {
    Result result = Receive();
    if (spent_) break;
    if (result == nullptr) {
      expected_.pop_front();
      break;
    }
    const ExecStatusType status = PQresultStatus(result.get());
    const bool has_rows =
        (status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK) &&
        PQntuples(result.get()) > 0;
    if (has_rows) {
      reader->current = std::move(result);
      reader->row = 0;
      return true;
    }
    Note(result.get(), Expected::Kind::kRows, /*left_over=*/false);
  }
  streaming_ = nullptr;
  reader->at_end = true;
  return false;
}

void PostgresConnection::BufferRows() {
  RowReader* const reader = streaming_;
  if (reader == nullptr) return;
  Result at_hand = std::move(reader->current);
  const int row = reader->row;
  while (Fetch(reader)) reader->buffered.push_back(std::move(reader->current));
  reader->current = std::move(at_hand);
  reader->row = row;
}

void PostgresConnection::Forget(RowReader* reader) {
  if (streaming_ == reader) streaming_ = nullptr;
  for (Expected& expected : expected_) {
    if (expected.reader == reader) expected.reader = nullptr;
  }
}

void PostgresConnection::Note(const pg_result* result, Expected::Kind kind,
                              bool left_over) {
  switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK: {
      if (committing_ && !left_over && !fault_ &&
          std::strcmp(PQcmdStatus(const_cast<PGresult*>(result)),
                      "ROLLBACK") == 0) {
        fault_ = {FaultKind::kConflict,
                  absl::UnavailableError("the transaction was rolled back")};
      }
      if (kind != Expected::Kind::kRows || left_over) return;
      const std::string_view rows = PQcmdTuples(const_cast<PGresult*>(result));
      changes_ = 0;
      std::from_chars(rows.data(), rows.data() + rows.size(), changes_);
      return;
    }
    case PGRES_FATAL_ERROR: {
      // Errors that libpq itself reports have no code.
      if (Field(result, PG_DIAG_SQLSTATE).empty()) return Lose();
      Fault fault = FaultOf(Field(result, PG_DIAG_SQLSTATE),
                            Field(result, PG_DIAG_SEVERITY_NONLOCALIZED),
                            Field(result, PG_DIAG_CONSTRAINT_NAME),
                            Field(result, PG_DIAG_MESSAGE_PRIMARY));
      if (fault.kind == FaultKind::kConnectionLost) return Lose();
      if (left_over || fault_) return;
      if (cancelled_) fault.status = absl::CancelledError("cancelled");
      fault_ = std::move(fault);
      return;
    }
    default:  // not run, after an error; or nothing to note
      return;
  }
}

void PostgresConnection::FinishFront() {
  const Expected front = expected_.front();
  if (front.kind == Expected::Kind::kRows && front.reader == nullptr) {
    // Rows that nobody wants, one at a time.
    PQsetSingleRowMode(conn_);
  }
  bool ok = false;
  for (;;) {
    const Result result = Receive();
    if (spent_) return;
    if (result == nullptr) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (front.kind == Expected::Kind::kSync) {
      // It alone is not followed by an end.
      if (status == PGRES_PIPELINE_SYNC) break;
      continue;
    }
    ok = ok || status == PGRES_COMMAND_OK;
    Note(result.get(), front.kind, front.left_over);
    if (spent_) return;
  }
  if (front.kind == Expected::Kind::kPrepare && !ok) front.text->name.clear();
  expected_.pop_front();
}

void PostgresConnection::FinishUntil(const RowReader* reader) {
  while (!expected_.empty() && expected_.front().reader != reader) {
    FinishFront();
  }
}

void PostgresConnection::FinishAll() {
  while (!expected_.empty()) FinishFront();
}

void PostgresConnection::Commit() {
  BufferRows();
  in_transaction_ = false;
  if (begin_ != nullptr) {
    // Nothing was done.
    begin_ = nullptr;
    return;
  }
  if (!fault_) {
    // In one part with what was not waited for: if that fails, this is not run.
    committing_ = true;
    if (SendCommand("COMMIT") && SendSync()) {
      // Past the statement timeout only a dead server keeps quiet.
      SetDeadline();
      FinishAll();
    }
    committing_ = false;
  }
  if (!fault_) return;
  in_transaction_ = true;
  Rollback();
}

void PostgresConnection::End(const char* command) {
  if (streaming_ != nullptr) Forget(streaming_);
  for (Expected& expected : expected_) expected.left_over = true;
  if (std::exchange(begin_, nullptr) != nullptr || !in_transaction_) return;
  in_transaction_ = false;
  // A request to cancel that is still under way must not hit the next
  // statement.
  if (cancelled_) return Lose();
  if (spent_) return;
  // After an error the rest of a part is not run; so this is in another.
  if (needs_sync_ && !SendSync()) return;
  if (!SendCommand(command, /*left_over=*/true) || !SendSync()) return;
  if (PQflush(conn_) < 0) Lose();
}

void PostgresConnection::SetDeadline() {
  deadline_ = statement_timeout_ == absl::ZeroDuration()
                  ? absl::InfiniteFuture()
                  : absl::Now() + statement_timeout_ + kGrace;
}

void PostgresConnection::Lose() {
  spent_ = true;
  streaming_ = nullptr;
  expected_.clear();
  if (fault_) return;
  fault_ = committing_ ? sql::OutcomeUnknown() : ConnectionLost();
}

Result PostgresConnection::Receive() {
  if (spent_) return nullptr;
  if (!WaitForInput()) {
    Lose();
    return nullptr;
  }
  Result result(PQgetResult(conn_));
  if (PQstatus(conn_) == CONNECTION_OK) return result;
  // It may say why: that a failover takes place, or that a commit failed.
  if (result != nullptr) {
    Note(result.get(), Expected::Kind::kCommand, /*left_over=*/false);
  }
  Lose();
  return nullptr;
}

bool PostgresConnection::WaitForInput() {
  for (;;) {
    const int unsent = PQflush(conn_);
    if (unsent < 0) {
      // The server may have said why before it hung up.
      PQconsumeInput(conn_);
      return !PQisBusy(conn_);
    }
    if (!PQisBusy(conn_)) return true;
    if (!WaitForSocket(unsent > 0)) return false;
    if (PQconsumeInput(conn_) != 1) return !PQisBusy(conn_);
  }
}

bool PostgresConnection::WaitForSocket(bool for_output) {
  pollfd poll_for = {PQsocket(conn_), POLLIN, 0};
  if (for_output) poll_for.events |= POLLOUT;
  for (;;) {
    const int ready =
        poll(&poll_for, 1, absl::ToInt64Milliseconds(kLivenessInterval));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (absl::Now() > deadline_) return false;
    if (caller_ != nullptr && !cancelled_ && !caller_->Alive().ok()) {
      Cancel();
    }
  }
}

void PostgresConnection::Cancel() {
  cancelled_ = true;
  deadline_ = std::min(deadline_, absl::Now() + kCancelGrace);
  if (PGcancel* const cancel = PQgetCancel(conn_); cancel != nullptr) {
    char error[256];
    PQcancel(cancel, error, sizeof(error));
    PQfreeCancel(cancel);
  }
}

}  // namespace millstream::storage::postgres
