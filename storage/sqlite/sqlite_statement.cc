#include "storage/sqlite/sqlite_statement.h"

#include <sqlite3.h>

#include <utility>

#include "base/disk_full.h"
#include "base/str_cat.h"
#include "storage/sqlite/page_checksums.h"

namespace millstream::storage::sqlite {
namespace {

absl::StatusCode CodeOf(int extended) {
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return absl::StatusCode::kAlreadyExists;
    case SQLITE_IOERR_DATA:
      return absl::StatusCode::kDataLoss;
    default:
      break;
  }
  switch (extended & 0xff) {
    case SQLITE_CONSTRAINT:
      return absl::StatusCode::kFailedPrecondition;
    case SQLITE_INTERRUPT:
      return absl::StatusCode::kCancelled;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
      return absl::StatusCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status SqliteError(sqlite3* db, int code, std::string_view doing) {
  int extended = code;
  const char* text = sqlite3_errstr(code);
  if (db != nullptr && (sqlite3_errcode(db) & 0xff) == (code & 0xff)) {
    extended = sqlite3_extended_errcode(db);
    text = sqlite3_errmsg(db);
  }
  std::string message =
      StrCat("SQLite, ", doing, ": ", text, " (", extended, ")");
  if (extended == SQLITE_IOERR_DATA) {
    StrAppend(&message, "; page ", DamagedPage(),
              " is damaged, millstream check tells more");
  }
  if ((extended & 0xff) == SQLITE_FULL) return DiskFullError(message);
  return absl::Status(CodeOf(extended), message);
}

SqliteStatement::SqliteStatement(sqlite3* db, sqlite3_stmt* statement,
                                 std::string text, bool cached)
    : db_(db), statement_(statement), text_(std::move(text)), cached_(cached) {}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

void SqliteStatement::Bound(int code) {
  if (code != SQLITE_OK && bind_error_ == SQLITE_OK) bind_error_ = code;
}

void SqliteStatement::BindNull(int index) {
  Bound(sqlite3_bind_null(statement_, index));
}

void SqliteStatement::BindInt64(int index, int64_t value) {
  Bound(sqlite3_bind_int64(statement_, index, value));
}

void SqliteStatement::BindDouble(int index, double value) {
  Bound(sqlite3_bind_double(statement_, index, value));
}

void SqliteStatement::BindText(int index, std::string_view value) {
  // A null pointer would bind NULL.
  Bound(sqlite3_bind_text64(statement_, index,
                            value.data() == nullptr ? "" : value.data(),
                            value.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void SqliteStatement::BindBlob(int index, std::string_view value) {
  Bound(sqlite3_bind_blob64(statement_, index,
                            value.data() == nullptr ? "" : value.data(),
                            value.size(), SQLITE_STATIC));
}

absl::StatusOr<bool> SqliteStatement::Step() {
  if (bind_error_ != SQLITE_OK) {
    return SqliteError(nullptr, bind_error_, "binding");
  }
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(db_, code, "executing");
}

void SqliteStatement::Rewind() {
  // Repeats the error of the last Step, which was reported then.
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  bind_error_ = SQLITE_OK;
}

void SqliteStatement::Release() {
  if (!cached_) {
    delete this;
    return;
  }
  Rewind();
  in_use_ = false;
}

bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

int64_t SqliteStatement::Int64(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double SqliteStatement::Double(int column) const {
  return sqlite3_column_double(statement_, column);
}

std::string_view SqliteStatement::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return std::string_view(
      reinterpret_cast<const char*>(text),
      static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

std::string_view SqliteStatement::Blob(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  if (data == nullptr) return {};
  return std::string_view(
      static_cast<const char*>(data),
      static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

sql::Value SqliteStatement::Get(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_INTEGER:
      return Int64(column);
    case SQLITE_FLOAT:
      return Double(column);
    case SQLITE_TEXT:
      return std::string(Text(column));
    case SQLITE_BLOB:
      return std::string(Blob(column));
    default:
      return std::monostate();
  }
}

}  // namespace millstream::storage::sqlite
