// A prepared statement of a SqliteConnection, and SQLite's errors as statuses.
#ifndef MILLSTREAM_STORAGE_SQLITE_SQLITE_STATEMENT_H_
#define MILLSTREAM_STORAGE_SQLITE_SQLITE_STATEMENT_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/sql/database.h"

struct sqlite3;
struct sqlite3_stmt;

namespace millstream::storage::sqlite {

// The status for result code `code` (not SQLITE_OK, ROW or DONE) of a call on
// `db`, as storage/sql/database.h lists them; `doing` says what was tried.
absl::Status SqliteError(sqlite3* db, int code, std::string_view doing);

// See sql::Statement. Owned by its connection if it is cached, else by itself:
// Release deletes it.
class SqliteStatement final : public sql::Statement {
 public:
  // Takes over `statement`.
  SqliteStatement(sqlite3* db, sqlite3_stmt* statement, std::string text,
                  bool cached);
  ~SqliteStatement() override;

  const std::string& text() const { return text_; }
  bool in_use() const { return in_use_; }
  void Use() { in_use_ = true; }

  void BindNull(int index) override;
  void BindInt64(int index, int64_t value) override;
  void BindDouble(int index, double value) override;
  void BindText(int index, std::string_view value) override;
  void BindBlob(int index, std::string_view value) override;

  absl::StatusOr<bool> Step() override;
  void Rewind() override;

  bool IsNull(int column) const override;
  int64_t Int64(int column) const override;
  double Double(int column) const override;
  std::string_view Text(int column) const override;
  std::string_view Blob(int column) const override;
  sql::Value Get(int column) const override;

 private:
  void Release() override;
  // Remembers the first failure to bind.
  void Bound(int code);

  sqlite3* const db_;
  sqlite3_stmt* const statement_;
  const std::string text_;
  const bool cached_;
  bool in_use_ = false;
  int bind_error_ = 0;
};

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_SQLITE_STATEMENT_H_
