#include "storage/sqlite/sqlite_snapshot.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sqlite/page_checksums.h"
#include "storage/sqlite/sqlite_statement.h"

namespace millstream::storage::sqlite {
namespace {

// How long to wait for who opens the file at the same time.
constexpr int kBusyTimeoutMs = 20'000;
// Copied between two calls of `on_bytes`.
constexpr int kStepPages = 1024;

constexpr int kOpenFlags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

absl::Status Run(sqlite3* db, const char* sql) {
  const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(db, code, sql);
}

absl::StatusOr<int64_t> Query(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db, sql, -1, &statement, nullptr);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  const int64_t value =
      code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  absl::Status status =
      code == SQLITE_ROW ? absl::OkStatus() : SqliteError(db, code, sql);
  sqlite3_finalize(statement);
  if (!status.ok()) return status;
  return value;
}

// SQLite would make the file readable by others.
absl::Status MakePrivateFile(const std::string& path) {
  const int file =
      open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) {
    const int error = errno;
    const std::string text = StrCat("making ", path, ": ", strerror(error));
    return error == ENOSPC || error == EDQUOT
               ? absl::ResourceExhaustedError(text)
               : absl::UnavailableError(text);
  }
  close(file);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteSnapshot>> SqliteSnapshot::Take(
    const std::string& path) {
  sqlite3* db = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY | kOpenFlags,
                      PageChecksumVfs());
  // SQLite hands out a connection to close even when it fails.
  std::unique_ptr<SqliteSnapshot> snapshot(new SqliteSnapshot(db));
  if (code != SQLITE_OK) return SqliteError(db, code, "opening");
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  RETURN_IF_ERROR(Run(db, "BEGIN"));
  // The moment is that of the first read.
  RETURN_IF_ERROR(Query(db, "SELECT count(*) FROM sqlite_master").status());
  return snapshot;
}

SqliteSnapshot::~SqliteSnapshot() { sqlite3_close(db_); }

absl::StatusOr<int64_t> SqliteSnapshot::Size() const {
  ASSIGN_OR_RETURN(const int64_t pages, Query(db_, "PRAGMA page_count"));
  ASSIGN_OR_RETURN(const int64_t bytes, Query(db_, "PRAGMA page_size"));
  return pages * bytes;
}

absl::Status SqliteSnapshot::CopyTo(
    const std::string& path,
    absl::FunctionRef<absl::Status(int64_t)> on_bytes) {
  ASSIGN_OR_RETURN(const int64_t page_bytes, Query(db_, "PRAGMA page_size"));
  RETURN_IF_ERROR(MakePrivateFile(path));
  sqlite3* raw = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &raw,
                             SQLITE_OPEN_READWRITE | kOpenFlags,
                             HasChecksums(db_) ? PageChecksumVfs() : nullptr);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> copy(raw, sqlite3_close);
  if (code != SQLITE_OK) return SqliteError(raw, code, "opening the copy");
  // A copy that fails is thrown away: there is nothing to take back.
  RETURN_IF_ERROR(Run(raw, "PRAGMA journal_mode = OFF"));
  RETURN_IF_ERROR(Run(raw, "PRAGMA synchronous = OFF"));
  sqlite3_backup* backup = sqlite3_backup_init(raw, "main", db_, "main");
  if (backup == nullptr) {
    return SqliteError(raw, sqlite3_errcode(raw), "copying");
  }
  absl::Status status;
  do {
    const int before = sqlite3_backup_remaining(backup);
    code = sqlite3_backup_step(backup, kStepPages);
    const int after = sqlite3_backup_remaining(backup);
    // Before the first step it is not known how many there are.
    status = on_bytes((before > after ? before - after : 0) * page_bytes);
  } while (code == SQLITE_OK && status.ok());
  const int finished = sqlite3_backup_finish(backup);
  RETURN_IF_ERROR(status);
  if (code != SQLITE_DONE) return SqliteError(raw, code, "copying");
  if (finished != SQLITE_OK) return SqliteError(raw, finished, "copying");
  return absl::OkStatus();
}

absl::Status AddChecksums(const std::string& path) {
  const std::string made = path + ".checksums";
  absl::Status status = MakePrivateFile(made);
  if (status.ok()) {
    sqlite3* raw = nullptr;
    int code = sqlite3_open_v2(path.c_str(), &raw,
                               SQLITE_OPEN_READWRITE | kOpenFlags,
                               PageChecksumVfs());
    const std::unique_ptr<sqlite3, int (*)(sqlite3*)> from(raw, sqlite3_close);
    sqlite3_stmt* vacuum = nullptr;
    if (code == SQLITE_OK) {
      // The new file gets what this one would.
      ReserveForChecksums(raw);
      code = sqlite3_prepare_v2(raw, "VACUUM INTO ?", -1, &vacuum, nullptr);
    }
    if (code == SQLITE_OK) {
      sqlite3_bind_text(vacuum, 1, made.c_str(), -1, SQLITE_STATIC);
      code = sqlite3_step(vacuum);
    }
    if (code != SQLITE_DONE) status = SqliteError(raw, code, "copying");
    sqlite3_finalize(vacuum);
  }
  if (status.ok() && rename(made.c_str(), path.c_str()) != 0) {
    status = absl::UnavailableError(
        StrCat("renaming ", made, ": ", strerror(errno)));
  }
  if (!status.ok()) unlink(made.c_str());
  return status;
}

}  // namespace millstream::storage::sqlite
