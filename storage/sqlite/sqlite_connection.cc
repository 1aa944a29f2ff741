#include "storage/sqlite/sqlite_connection.h"

#include <sqlite3.h>

#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sqlite/page_checksums.h"
#include "storage/sqlite/sqlite_statement.h"

namespace millstream::storage::sqlite {
namespace {

// How long to wait for another program that holds the file.
constexpr int kBusyTimeoutMs = 20'000;
// Between two looks where SQLite itself does not wait.
constexpr absl::Duration kBusyInterval = absl::Milliseconds(5);

// The log is copied into the database when it has grown to this: larger writes
// a page that changes often fewer times, smaller keeps the log short.
constexpr int kCheckpointPages = 16'000;

// Steps of SQLite's machine between two looks at whether the caller of a
// statement still waits: well below a millisecond.
constexpr int kLivenessSteps = 10'000;

// Size that the log's file is cut back to after it was copied.
constexpr int kLogBytesKept = 64 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(
    const std::string& path, const Options& options) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_only ? SQLITE_OPEN_READONLY
                             : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db, flags,
      options.schema == sql::Schema::kOwn ? PageChecksumVfs() : nullptr);
  // SQLite hands out a connection to close even when it fails.
  std::unique_ptr<SqliteConnection> connection(
      new SqliteConnection(db, options.schema));
  if (code != SQLITE_OK) return SqliteError(db, code, "opening");
  RETURN_IF_ERROR(connection->Configure(options));
  return connection;
}

absl::Status SqliteConnection::Configure(const Options& options) {
  sqlite3_busy_timeout(db_, kBusyTimeoutMs);
  // Double-quoted text is an identifier, never a string; no file decides what
  // code runs.
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // Temporary data goes to files when it outgrows the cache: in memory it would
  // have no bound, and releasing a savepoint would walk all that was saved for
  // the savepoints around it.
  std::string script = StrCat(
      "PRAGMA foreign_keys = ON;"
      "PRAGMA cache_size = -", options.cache_kib, ";"
      "PRAGMA mmap_size = ", options.mmap_bytes, ";");
  if (!options.read_only) {
    if (schema_ == sql::Schema::kOwn) ReserveForChecksums(db_);
    StrAppend(&script,
              // Writes each page, also those that hold nothing any more: no
              // page is without its checksum.
              "PRAGMA secure_delete = ON;"
              "PRAGMA journal_size_limit = ", kLogBytesKept, ";"
              "PRAGMA wal_autocheckpoint = ", kCheckpointPages, ";",
              // FULL forces the log to the disk with each commit, NORMAL only
              // before it is copied.
              "PRAGMA synchronous = ",
              options.durability == Durability::kMachine ? "FULL" : "NORMAL",
              ";");
  }
  RETURN_IF_ERROR(ExecuteScript(script));
  if (options.read_only) return absl::OkStatus();
  if (!options.leave_journal) return UseLog();
  // The first look at the file: takes back what a program left unfinished that
  // died in a commit, which connections that only read cannot.
  return QueryInt64("PRAGMA schema_version").status();
}

absl::Status SqliteConnection::UseLog() {
  // SQLite gives up at once where others have the file open just then.
  const absl::Time until = absl::Now() + absl::Milliseconds(kBusyTimeoutMs);
  for (;;) {
    const int code = sqlite3_exec(db_, "PRAGMA journal_mode = WAL", nullptr,
                                  nullptr, nullptr);
    if (code == SQLITE_OK) return absl::OkStatus();
    if ((code & 0xff) != SQLITE_BUSY || absl::Now() > until) {
      return SqliteError(db_, code, "changing the journal");
    }
    absl::SleepFor(kBusyInterval);
  }
}

SqliteConnection::SqliteConnection(sqlite3* db, sql::Schema schema)
    : db_(db), schema_(schema) {}

SqliteConnection::~SqliteConnection() {
  by_text_.clear();
  statements_.clear();
  sqlite3_close(db_);
}

absl::StatusOr<std::unique_ptr<SqliteStatement>> SqliteConnection::PrepareNew(
    std::string_view sql, bool cached) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(
      db_, sql.data(), static_cast<int>(sql.size()),
      cached ? SQLITE_PREPARE_PERSISTENT : 0, &statement, nullptr);
  if (code != SQLITE_OK) return SqliteError(db_, code, "preparing");
  if (statement == nullptr) return absl::InternalError("empty SQL text");
  return std::make_unique<SqliteStatement>(db_, statement, std::string(sql),
                                           cached);
}

absl::StatusOr<sql::StatementPtr> SqliteConnection::Prepare(
    std::string_view sql) {
  if (sql.size() > kCachedTextBytesMax) {
    ASSIGN_OR_RETURN(std::unique_ptr<SqliteStatement> once,
                     PrepareNew(sql, /*cached=*/false));
    return sql::StatementPtr(once.release());
  }
  auto found = by_text_.find(sql);
  if (found != by_text_.end()) {
    StatementList::iterator position = found->second;
    SqliteStatement* statement = position->get();
    if (!statement->in_use()) {
      statements_.splice(statements_.begin(), statements_, position);
      statement->Use();
      return sql::StatementPtr(statement);
    }
    // Used while it is being read: a second one, for this use only.
    ASSIGN_OR_RETURN(std::unique_ptr<SqliteStatement> second,
                     PrepareNew(sql, /*cached=*/false));
    return sql::StatementPtr(second.release());
  }
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteStatement> made,
                   PrepareNew(sql, /*cached=*/true));
  SqliteStatement* statement = made.get();
  statement->Use();
  statements_.push_front(std::move(made));
  by_text_.emplace(std::string_view(statement->text()), statements_.begin());
  EvictStatements();
  return sql::StatementPtr(statement);
}

void SqliteConnection::EvictStatements() {
  auto position = statements_.end();
  while (statements_.size() > kCachedStatementsMax &&
         position != statements_.begin()) {
    --position;
    if ((*position)->in_use()) continue;
    by_text_.erase(std::string_view((*position)->text()));
    position = statements_.erase(position);
  }
}

void SqliteConnection::WorkFor(const Liveness* caller) {
  if (caller == nullptr || caller == &Liveness::Always()) {
    sqlite3_progress_handler(db_, 0, nullptr, nullptr);
    return;
  }
  sqlite3_progress_handler(
      db_, kLivenessSteps,
      [](void* waits) {
        return static_cast<const Liveness*>(waits)->Alive().ok() ? 0 : 1;
      },
      const_cast<Liveness*>(caller));
}

int64_t SqliteConnection::changes() const { return sqlite3_changes64(db_); }

int64_t SqliteConnection::last_insert_id() const {
  return sqlite3_last_insert_rowid(db_);
}

absl::Status SqliteConnection::ExecuteScript(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(db_, code, "executing");
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SqliteConnection::QueryInt64(std::string_view sql) {
  ASSIGN_OR_RETURN(sql::StatementPtr statement, Prepare(sql));
  ASSIGN_OR_RETURN(bool row, statement->Step());
  if (!row) return absl::InternalError("a query without a value");
  return statement->Int64(0);
}

bool SqliteConnection::has_checksums() const { return HasChecksums(db_); }

absl::Status SqliteConnection::ReadAllPages(
    absl::FunctionRef<absl::Status()> on_page,
    absl::FunctionRef<void(int64_t)> on_damage) {
  return sqlite::ReadAllPages(db_, on_page, on_damage);
}

bool SqliteConnection::in_transaction() const {
  return sqlite3_get_autocommit(db_) == 0;
}

}  // namespace millstream::storage::sqlite
