#include "storage/mysql/mysql_connection.h"

#include <errno.h>
#include <mariadb/mysql.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/mysql/mysql_rows.h"

namespace millstream::storage::mysql {
namespace {

// How often who waits for the server asks whether its caller still waits.
constexpr absl::Duration kLivenessInterval = absl::Milliseconds(50);

// ANSI_QUOTES: "key" is a name. What does not fit is refused, not cut; 0 is an
// id (of the experiment Default), not a wish for one.
constexpr char kSetUp[] =
    "SET SESSION autocommit = 0, sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,"
    "NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'";
constexpr char kIsolation[] =
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";

const char* OrNull(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

void SetOptions(const MysqlOptions& options, MYSQL* mysql) {
  mysql_options(mysql, MYSQL_OPT_NONBLOCK, nullptr);
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  const auto seconds =
      static_cast<unsigned int>(absl::ToInt64Seconds(options.connect_timeout));
  mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  const unsigned int no_files = 0;
  mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no_files);
  const Tls tls = options.tls;
  if (tls == Tls::kDisabled) return;
  // The library verifies a certificate whenever it is told by whom.
  const bool verifies = tls == Tls::kVerifiedCa || tls == Tls::kVerified;
  mysql_ssl_set(mysql, OrNull(options.tls_key), OrNull(options.tls_certificate),
                verifies ? OrNull(options.tls_ca) : nullptr,
                verifies ? OrNull(options.tls_ca_folder) : nullptr,
                OrNull(options.tls_ciphers));
  if (!options.tls_key_password.empty()) {
    mysql_options(mysql, MARIADB_OPT_TLS_PASSPHRASE,
                  options.tls_key_password.c_str());
  }
  // What this asks for is TLS if the server has it.
  const my_bool ask = 1;
  mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &ask);
  const my_bool verify_host = tls == Tls::kVerified;
  mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify_host);
}

// A network that goes away without a word is noticed after about a minute while
// nothing is sent, and after half of one when something is.
void NoticeDeadNetworks(int socket) {
  const auto set = [socket](int level, int option, int value) {
    // On a Unix socket they mean nothing.
    setsockopt(socket, level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
}

}  // namespace

// A statement that the server has prepared.
class MysqlConnection::Prepared {
 public:
  explicit Prepared(std::string_view sql) : sql_(sql) {}
  ~Prepared() {
    if (statement != nullptr) mysql_stmt_close(statement);
  }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  const std::string& sql() const { return sql_; }

  MYSQL_STMT* statement = nullptr;
  RowRoom room;

 private:
  const std::string sql_;
};

st_mysql* MysqlConnection::Open(const MysqlOptions& options,
                                std::string* message) {
  std::vector<sql::DatabaseUri::Host> hosts = options.hosts;
  const bool by_socket = hosts.empty() || !options.unix_socket.empty();
  if (by_socket) hosts = {{.name = "localhost"}};
  for (const sql::DatabaseUri::Host& host : hosts) {
    MYSQL* const mysql = mysql_init(nullptr);
    if (mysql == nullptr) break;
    SetOptions(options, mysql);
    // "localhost" would mean the socket of a server on this machine, and not,
    // as to PyMySQL, a port.
    const mysql_protocol_type protocol =
        by_socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    // Without CLIENT_FOUND_ROWS: rows that ON DUPLICATE KEY left as they are
    // are not counted.
    const bool connected =
        nullptr !=
        mysql_real_connect(mysql, host.name.c_str(), OrNull(options.user),
                           options.password.c_str(), OrNull(options.database),
                           host.port, OrNull(options.unix_socket), 0);
    // The library goes on without TLS where the server has none, unless the
    // host is verified.
    const bool is_open_to_all = connected && options.tls >= Tls::kRequired &&
                                mysql_get_ssl_cipher(mysql) == nullptr;
    if (connected && !is_open_to_all) {
      NoticeDeadNetworks(mysql_get_socket(mysql));
      return mysql;
    }
    *message = connected ? "the server offers no TLS" : mysql_error(mysql);
    mysql_close(mysql);
  }
  return nullptr;
}

absl::StatusOr<std::unique_ptr<MysqlConnection>> MysqlConnection::Connect(
    const MysqlOptions& options) {
  std::string message = "no memory";
  MYSQL* const mysql = Open(options, &message);
  if (mysql == nullptr) return absl::UnavailableError(message);
  std::unique_ptr<MysqlConnection> connection(
      new MysqlConnection(options, mysql));
  RETURN_IF_ERROR(connection->SetUp());
  return connection;
}

MysqlConnection::MysqlConnection(const MysqlOptions& options, st_mysql* mysql)
    : options_(options), mysql_(mysql), opened_(absl::Now()) {}

MysqlConnection::~MysqlConnection() {
  // The server is not told of each.
  if (spent_) shutdown(mysql_get_socket(mysql_), SHUT_RDWR);
  running_.reset();
  by_text_.clear();
  prepared_.clear();
  mysql_close(mysql_);
}

absl::Status MysqlConnection::SetUp() {
  deadline_ = absl::Now() + options_.connect_timeout + kGrace;
  const int64_t ms = absl::ToInt64Milliseconds(options_.statement_timeout);
  const std::string lock_wait =
      StrCat("SET SESSION innodb_lock_wait_timeout = ",
             absl::ToInt64Seconds(kLockWait));
  const std::string timeout =
      mariadb_connection(mysql_)
          ? StrCat("SET SESSION max_statement_time = ", ms, " / 1000.0")
          : StrCat("SET SESSION max_execution_time = ", ms);
  if (!Query(kSetUp) || !Query(kIsolation)) {
    return absl::UnavailableError(fault_.status.message());
  }
  // Engines that do not know one of these work without.
  for (const std::string& sql : {lock_wait, timeout}) {
    if (!Query(sql) && spent_) return fault_.status;
    fault_ = Fault();
  }
  return absl::OkStatus();
}

bool MysqlConnection::IsUsable() {
  if (spent_) return false;
  pollfd poll_for = {mysql_get_socket(mysql_), POLLIN, 0};
  if (poll(&poll_for, 1, 0) == 0) return true;
  if (pending_) {
    FinishPending();
    if (!spent_ && poll(&poll_for, 1, 0) == 0) return true;
  }
  // A server that says something unasked says that it ends.
  Lose();
  return false;
}

void MysqlConnection::Begin(const char* begin) {
  begin_ = begin;
  in_transaction_ = false;
  committing_ = false;
  cancelled_ = false;
  fault_ = Fault();
  changes_ = 0;
  last_insert_id_ = 0;
}

void MysqlConnection::Drive(absl::FunctionRef<int()> start,
                            absl::FunctionRef<int(int)> go_on) {
  for (int wanted = start(); wanted != 0;) {
    wanted = go_on(WaitForSocket(wanted));
  }
}

int MysqlConnection::WaitForSocket(int wanted) {
  pollfd poll_for = {mysql_get_socket(mysql_), 0, 0};
  if (wanted & MYSQL_WAIT_READ) poll_for.events |= POLLIN;
  if (wanted & MYSQL_WAIT_WRITE) poll_for.events |= POLLOUT;
  if (wanted & MYSQL_WAIT_EXCEPT) poll_for.events |= POLLPRI;
  for (;;) {
    const int ready =
        poll(&poll_for, 1, absl::ToInt64Milliseconds(kLivenessInterval));
    if (ready > 0) {
      int got = 0;
      if (poll_for.revents & (POLLIN | POLLHUP | POLLERR)) {
        got |= MYSQL_WAIT_READ;
      }
      if (poll_for.revents & (POLLOUT | POLLERR)) got |= MYSQL_WAIT_WRITE;
      if (poll_for.revents & POLLPRI) got |= MYSQL_WAIT_EXCEPT;
      return got & wanted ? got & wanted : wanted;
    }
    if ((ready < 0 && errno != EINTR) || absl::Now() > deadline_) {
      // What is under way finds that there is nobody any more.
      shutdown(mysql_get_socket(mysql_), SHUT_RDWR);
      return wanted;
    }
    if (caller_ != nullptr && !cancelled_ && !caller_->Alive().ok()) Cancel();
  }
}

void MysqlConnection::SetDeadline() {
  deadline_ = options_.statement_timeout == absl::ZeroDuration()
                  ? absl::InfiniteFuture()
                  : absl::Now() + options_.statement_timeout + kGrace;
  if (cancelled_) deadline_ = absl::Now() + kCancelGrace;
}

void MysqlConnection::Cancel() {
  cancelled_ = true;
  deadline_ = std::min(deadline_, absl::Now() + kCancelGrace);
  MysqlOptions options = options_;
  options.connect_timeout = absl::Seconds(1);
  std::string message;
  MYSQL* const other = Open(options, &message);
  if (other == nullptr) return;
  const std::string kill = StrCat("KILL QUERY ", mysql_thread_id(mysql_));
  mysql_real_query(other, kill.data(), kill.size());
  mysql_close(other);
}

bool MysqlConnection::Query(std::string_view sql) {
  FinishPending();
  if (fault_) return false;
  int result = 0;
  Drive(
      [&] {
        return mysql_real_query_start(&result, mysql_, sql.data(), sql.size());
      },
      [&](int got) { return mysql_real_query_cont(&result, mysql_, got); });
  if (result != 0) Note(mysql_errno(mysql_), mysql_error(mysql_));
  return result == 0;
}

void MysqlConnection::FinishPending() {
  if (!std::exchange(pending_, false) || spent_) return;
  SetDeadline();
  my_bool failed = 0;
  Drive([&] { return mysql_read_query_result_start(&failed, mysql_); },
        [&](int got) {
          return mysql_read_query_result_cont(&failed, mysql_, got);
        });
  // A COMMIT or ROLLBACK of nothing fails only with its connection.
  if (failed) Lose();
}

std::shared_ptr<MysqlConnection::Prepared> MysqlConnection::Find(
    std::string_view sql) {
  if (auto found = by_text_.find(sql); found != by_text_.end()) {
    prepared_.splice(prepared_.begin(), prepared_, found->second);
    return *found->second;
  }
  auto made = std::make_shared<Prepared>(sql);
  if (!PrepareNew(made.get())) return nullptr;
  if (!prepares_ || sql.size() > kPreparedTextBytesMax) return made;
  while (prepared_.size() >= kPreparedMax) {
    by_text_.erase(prepared_.back()->sql());
    prepared_.pop_back();
  }
  prepared_.push_front(made);
  by_text_.emplace(made->sql(), prepared_.begin());
  return made;
}

bool MysqlConnection::PrepareNew(Prepared* prepared) {
  prepared->statement = mysql_stmt_init(mysql_);
  if (prepared->statement == nullptr) {
    Lose();
    return false;
  }
  int result = 0;
  Drive(
      [&] {
        return mysql_stmt_prepare_start(&result, prepared->statement,
                                        prepared->sql().data(),
                                        prepared->sql().size());
      },
      [&](int got) {
        return mysql_stmt_prepare_cont(&result, prepared->statement, got);
      });
  if (result == 0) return true;
  NoteStatement(prepared);
  return false;
}

bool MysqlConnection::Run(Prepared* prepared,
                          const std::vector<Parameter>& parameters) {
  MYSQL_STMT* const statement = prepared->statement;
  const size_t count = mysql_stmt_param_count(statement);
  if (parameters.size() > count) {
    fault_ = {FaultKind::kOrdinary,
              absl::InternalError("a value is bound to no placeholder")};
    return false;
  }
  std::vector<MYSQL_BIND> binds = BindParameters(parameters, count);
  int result = count > 0 && mysql_stmt_bind_param(statement, binds.data()) != 0;
  if (result == 0) {
    Drive([&] { return mysql_stmt_execute_start(&result, statement); },
          [&](int got) {
            return mysql_stmt_execute_cont(&result, statement, got);
          });
  }
  if (result != 0) {
    NoteStatement(prepared);
    return false;
  }
  if (mysql_stmt_field_count(statement) == 0) {
    NoteChanges(prepared);
    return true;
  }
  if (prepared->room.Bind(statement)) return true;
  Lose();
  return false;
}

void MysqlConnection::NoteChanges(Prepared* prepared) {
  changes_ =
      static_cast<int64_t>(mysql_stmt_affected_rows(prepared->statement));
  last_insert_id_ =
      static_cast<int64_t>(mysql_stmt_insert_id(prepared->statement));
  // An UPDATE has changed the rows that it has matched, as elsewhere, also
  // those that were already what they became.
  constexpr std::string_view kMatched = "Rows matched: ";
  const char* const info = mysql_info(mysql_);
  std::string_view text = info == nullptr ? "" : info;
  if (!text.starts_with(kMatched)) return;
  text.remove_prefix(kMatched.size());
  std::from_chars(text.data(), text.data() + text.size(), changes_);
}

absl::Status MysqlConnection::Execute(std::string_view sql,
                                      const std::vector<Parameter>& parameters,
                                      RowReader* reader) {
  BufferRows();
  if (fault_) return fault_.status;
  FinishPending();
  if (spent_) {
    fault_ = ConnectionLost();
    return fault_.status;
  }
  SetDeadline();
  if (!prepares_ && !prepared_.empty()) {
    // What the server lacks is room: others may have it.
    by_text_.clear();
    prepared_.clear();
  }
  if (const char* const begin = std::exchange(begin_, nullptr);
      begin != nullptr && *begin != '\0' && !Query(begin)) {
    return fault_.status;
  }
  in_transaction_ = true;
  running_ = Find(sql);
  if (running_ == nullptr || !Run(running_.get(), parameters)) {
    return fault_.status;
  }
  reader->current.clear();
  reader->buffered.clear();
  if (mysql_stmt_field_count(running_->statement) == 0) {
    reader->at_end = true;
    return absl::OkStatus();
  }
  reader->at_end = false;
  streaming_ = reader;
  // A statement may fail when it has begun.
  if (Fetch(reader)) reader->buffered.push_back(std::move(reader->current));
  if (cancelled_ && !fault_) {
    // SLEEP, for one, ends well when it is cancelled.
    fault_ = {FaultKind::kOrdinary, absl::CancelledError("cancelled")};
  }
  return fault_.status;
}

bool MysqlConnection::Fetch(RowReader* reader) {
  MYSQL_STMT* const statement = running_->statement;
  int result = 0;
  Drive(
      [&] { return mysql_stmt_fetch_start(&result, statement); },
      [&](int got) { return mysql_stmt_fetch_cont(&result, statement, got); });
  if (result == 0 || result == MYSQL_DATA_TRUNCATED) {
    if (running_->room.Take(statement, &reader->current)) return true;
    result = 1;
  }
  if (result != MYSQL_NO_DATA) NoteStatement(running_.get());
  streaming_ = nullptr;
  reader->at_end = true;
  return false;
}

absl::StatusOr<bool> MysqlConnection::Advance(RowReader* reader) {
  if (!reader->buffered.empty()) {
    reader->current = std::move(reader->buffered.front());
    reader->buffered.pop_front();
    return true;
  }
  if (!reader->at_end) {
    SetDeadline();
    if (Fetch(reader)) return true;
  }
  if (fault_) return fault_.status;
  return false;
}

void MysqlConnection::BufferRows() {
  RowReader* const reader = streaming_;
  if (reader == nullptr) return;
  RowReader::Row at_hand = std::move(reader->current);
  while (Fetch(reader)) {
    reader->buffered.push_back(std::move(reader->current));
    reader->current = {};
  }
  reader->current = std::move(at_hand);
}

void MysqlConnection::Forget(RowReader* reader) {
  if (streaming_ != reader) return;
  streaming_ = nullptr;
  if (spent_) return;
  SetDeadline();
  my_bool failed = 0;
  MYSQL_STMT* const statement = running_->statement;
  Drive([&] { return mysql_stmt_free_result_start(&failed, statement); },
        [&](int got) {
          return mysql_stmt_free_result_cont(&failed, statement, got);
        });
  if (failed) Lose();
}

void MysqlConnection::Commit() {
  if (streaming_ != nullptr) Forget(streaming_);
  // Nothing was done.
  if (std::exchange(begin_, nullptr) != nullptr && !fault_) return;
  if (!fault_) {
    committing_ = true;
    SetDeadline();
    Query("COMMIT");
    committing_ = false;
  }
  if (fault_) {
    Rollback();
  } else {
    in_transaction_ = false;
  }
}

void MysqlConnection::End(std::string_view command) {
  if (streaming_ != nullptr) Forget(streaming_);
  begin_ = nullptr;
  if (!std::exchange(in_transaction_, false)) return;
  // A request to cancel that is still under way must not hit the next
  // statement.
  if (cancelled_) return Lose();
  if (spent_) return;
  if (mysql_send_query(mysql_, command.data(), command.size()) != 0) {
    return Lose();
  }
  pending_ = true;
}

void MysqlConnection::Note(unsigned int number, std::string_view message) {
  Fault fault = FaultOf(number, message);
  if (fault.kind == FaultKind::kConnectionLost) {
    if (!fault_ && !committing_) fault_ = std::move(fault);
    return Lose();
  }
  if (fault_) return;
  if (cancelled_) fault.status = absl::CancelledError("cancelled");
  fault_ = std::move(fault);
}

void MysqlConnection::NoteStatement(const Prepared* prepared) {
  MYSQL_STMT* const statement = prepared->statement;
  if (const unsigned int number = mysql_stmt_errno(statement); number != 0) {
    return Note(number, mysql_stmt_error(statement));
  }
  // An error in the middle of the rows is told of the connection alone.
  if (const unsigned int number = mysql_errno(mysql_); number != 0) {
    return Note(number, mysql_error(mysql_));
  }
  Lose();
}

void MysqlConnection::Lose() {
  spent_ = true;
  pending_ = false;
  if (streaming_ != nullptr) streaming_->at_end = true;
  streaming_ = nullptr;
  if (fault_) return;
  fault_ = committing_ ? sql::OutcomeUnknown() : ConnectionLost();
}

}  // namespace millstream::storage::mysql
