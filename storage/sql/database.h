// The relational database as the stores of this folder see it: read on a
// snapshot, write in a transaction, statements with bound values. Nothing here
// belongs to one product; a backend (storage/sqlite) implements Database,
// Connection, Transaction and Statement and nothing else.
//
// SQL text is constant or comes from storage/search; values are always bound.
// One text serves every backend if it keeps to this:
// - placeholders are "?", bound in order from 1 (a backend whose database wants
//   "$1" rewrites it when it prepares);
// - identifiers that are keywords are written in double quotes ("key");
// - what still differs is asked of Connection::dialect().
//
// Errors: these interfaces return plain statuses with no ErrorCode; a store
// turns those that mean something to a caller (kAlreadyExists) into its own,
// and lets the others pass, which the caller sees as INTERNAL_ERROR. Some have
// a code: INVALID_PARAMETER_VALUE or BAD_REQUEST for a value that the database
// cannot keep.
//   kAlreadyExists        a unique or primary key is taken
//   kFailedPrecondition   another constraint (foreign key, NOT NULL, CHECK)
//   kResourceExhausted    too many writers wait, or the disk is full
//   kUnavailable          the database is locked, closing, or poisoned;
//                         IsHeldUp (held_up.h) tells whether others were in
//                         the way
//   kDataLoss             the database file is damaged
//   kCancelled            the caller of a ReadFor no longer waits
//   kDeadlineExceeded     a statement took longer than the database lets it
//   kInternal             everything else, such as SQL that does not parse
#ifndef MILLSTREAM_STORAGE_SQL_DATABASE_H_
#define MILLSTREAM_STORAGE_SQL_DATABASE_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/liveness.h"
#include "base/reading.h"

namespace millstream::storage::sql {

// A value to bind or a value read back: NULL, integer, real, text (UTF-8).
using Value = std::variant<std::monostate, int64_t, double, std::string>;

// A value to insert; text is borrowed.
using Cell = std::variant<std::monostate, int64_t, double, bool,
                          std::string_view>;

// What SQL text cannot say alike for all.
enum class Dialect { kSqlite, kPostgres, kMysql };

// Whose tables they are. Names of tables and columns are the same.
enum class Schema {
  // Ours (storage/sqlite/migrations): rows of a run's params, tags and latest
  // metrics repeat what the run never changes, indexes are those of
  // storage/search/search_plan.h, and points of metrics are elsewhere.
  kOwn,
  // MLflow's (storage/mlflow_schema): nothing may be added to its tables.
  kMlflow,
};

// A prepared statement: bind all, then step through the rows. Not thread-safe;
// belongs to its connection.
//
// Binding never fails by itself: a value that cannot be bound (an index out of
// range, no memory) fails the next Step.
class Statement {
 public:
  virtual ~Statement() = default;

  // Bind parameter `index`, counted from 1. Text and blobs are borrowed: they
  // live until the last Step or the next Rewind.
  // REQUIRES: no Step since Prepare or Rewind.
  virtual void BindNull(int index) = 0;
  virtual void BindInt64(int index, int64_t value) = 0;
  // For a column that is boolean. Read back by Int64 as 0 or 1.
  virtual void BindBool(int index, bool value) { BindInt64(index, value); }
  virtual void BindDouble(int index, double value) = 0;  // not NaN
  virtual void BindText(int index, std::string_view value) = 0;
  virtual void BindBlob(int index, std::string_view value) = 0;

  // True: a row is there to read. False: there is none (any more). The first
  // Step executes. Any status above.
  virtual absl::StatusOr<bool> Step() = 0;

  // Makes the statement ready to be bound and executed again; all parameters
  // are NULL.
  virtual void Rewind() = 0;

  // Values of the current row, columns counted from 0. NULL reads as 0 or "".
  // Text lives until the next Step or Rewind. REQUIRES: Step returned true.
  virtual bool IsNull(int column) const = 0;
  virtual int64_t Int64(int column) const = 0;
  virtual double Double(int column) const = 0;
  virtual std::string_view Text(int column) const = 0;
  virtual std::string_view Blob(int column) const = 0;
  // By the type it was stored with; blobs as text.
  virtual Value Get(int column) const = 0;

  // Binds by type; optional and nullptr bind NULL.
  void Bind(int index, std::nullptr_t) { BindNull(index); }
  void Bind(int index, double value) { BindDouble(index, value); }
  void Bind(int index, std::string_view value) { BindText(index, value); }
  void Bind(int index, const std::string& value) { BindText(index, value); }
  void Bind(int index, const char* value) { BindText(index, value); }
  void Bind(int index, const Value& value);
  void BindCell(int index, const Cell& cell);
  template <std::integral T>
  void Bind(int index, T value) {
    if constexpr (std::is_same_v<T, bool>) {
      BindBool(index, value);
    } else {
      BindInt64(index, static_cast<int64_t>(value));
    }
  }
  template <typename T>
  void Bind(int index, const std::optional<T>& value) {
    if (value.has_value()) {
      Bind(index, *value);
    } else {
      BindNull(index);
    }
  }

  // Binds parameters 1, 2, ...
  template <typename... Args>
  void BindAll(const Args&... args) {
    int index = 0;
    (Bind(++index, args), ...);
  }
  void BindValues(absl::Span<const Value> values);

  // Steps to the end and drops the rows: for statements that write.
  absl::Status Finish();

  // The same for statements whose rows, changes() and failure nobody asks for:
  // it may be run together with the next one, or with the commit, which then
  // fails if this one does. Values that were bound are no longer needed. It is
  // rewound before it is used again. For transactions alone.
  virtual absl::Status FinishLater() { return Finish(); }

 private:
  friend struct StatementReleaser;
  // The user is done; the statement may go back to a cache.
  virtual void Release() = 0;
};

struct StatementReleaser {
  void operator()(Statement* statement) const { statement->Release(); }
};
// Gives the statement back to its connection when dropped.
using StatementPtr = std::unique_ptr<Statement, StatementReleaser>;

// A view of the database at one moment. Used by one thread at a time; lives for
// the length of the body that it was given to, and so do its statements.
class Connection {
 public:
  virtual ~Connection() = default;

  // A statement of this text, prepared before if it was used before: the last
  // few hundred texts of a connection are kept. Rewound, nothing bound.
  // kInternal, here or at the first Step: the database does not understand it.
  virtual absl::StatusOr<StatementPtr> Prepare(std::string_view sql) = 0;

  virtual Dialect dialect() const = 0;
  virtual Schema schema() const { return Schema::kMlflow; }

  // Prepared and bound, ready to step.
  template <typename... Args>
  absl::StatusOr<StatementPtr> Query(std::string_view sql,
                                     const Args&... args) {
    absl::StatusOr<StatementPtr> statement = Prepare(sql);
    if (statement.ok()) (*statement)->BindAll(args...);
    return statement;
  }
};

// Rows for one table, to be inserted with as few statements as the database
// takes.
struct RowInsert {
  std::string_view table;
  absl::Span<const std::string_view> columns;
  // Row after row, each with a cell per column. In one column, all cells that
  // are not NULL have one type.
  absl::Span<const Cell> cells;
  // What follows the rows, such as OnConflictDoNothing(...).
  std::string_view after = {};
};

// A connection that writes. What it wrote is seen by its own later statements,
// and by others once it is committed.
class Transaction : public Connection {
 public:
  // Rows that the last writing statement changed.
  virtual int64_t changes() const = 0;
  // Id that the last INSERT into a table with generated ids was given, where
  // INSERT knows no RETURNING: see InsertForId.
  virtual int64_t last_insert_id() const = 0;

  // Inserts all rows, in their order, and returns how many rows were changed.
  // REQUIRES: with an `after` that updates, no two rows have one key.
  virtual absl::StatusOr<int64_t> InsertRows(const RowInsert& insert);

  // The same at the latest with the next statement: see FinishLater.
  virtual absl::Status InsertRowsLater(const RowInsert& insert) {
    return InsertRows(insert).status();
  }

  // Runs a statement that returns nothing.
  template <typename... Args>
  absl::Status Execute(std::string_view sql, const Args&... args) {
    absl::StatusOr<StatementPtr> statement = Prepare(sql);
    if (!statement.ok()) return statement.status();
    (*statement)->BindAll(args...);
    return (*statement)->Finish();
  }

  // The same at the latest with the next statement: see FinishLater.
  template <typename... Args>
  absl::Status ExecuteLater(std::string_view sql, const Args&... args) {
    absl::StatusOr<StatementPtr> statement = Prepare(sql);
    if (!statement.ok()) return statement.status();
    (*statement)->BindAll(args...);
    return (*statement)->FinishLater();
  }

  // Runs an INSERT of one row whose column `id`, a constant, the database fills
  // in; returns that.
  template <typename... Args>
  absl::StatusOr<int64_t> InsertForId(std::string_view sql, std::string_view id,
                                      const Args&... args) {
    absl::StatusOr<StatementPtr> statement = PrepareForId(sql, id);
    if (!statement.ok()) return statement.status();
    (*statement)->BindAll(args...);
    return FinishForId(**statement);
  }

  // Its parts, for who binds by himself.
  absl::StatusOr<StatementPtr> PrepareForId(std::string_view sql,
                                            std::string_view id);
  absl::StatusOr<int64_t> FinishForId(Statement& statement);

 private:
  // Rows in one statement of InsertRows: this many, and by kInsertRowsFactor
  // fewer again and again, so that few texts serve any number. A power of that;
  // more where each statement is a round trip.
  static constexpr size_t kInsertRowsFactor = 4;
  virtual size_t insert_rows_max() const { return 64; }
};

// Thread-safe. Outlives every call that uses it.
class Database {
 public:
  virtual ~Database() = default;

  // Runs `body` on a reader connection that shows all of what was committed
  // when it began and nothing later. Readers never wait for the writer, and
  // wait for one another only when all connections are in use.
  // Returns what `body` returns, or kUnavailable.
  // REQUIRES: `body` calls neither Read nor Write.
  absl::Status Read(absl::FunctionRef<absl::Status(Connection&)> body) {
    return ReadFor(Liveness::Always(), body);
  }

  // The same for work that may take long: ends soon after `caller` no longer
  // waits, also in the middle of a statement, with what `caller` says.
  virtual absl::Status ReadFor(
      const Liveness& caller,
      absl::FunctionRef<absl::Status(Connection&)> body) = 0;

  // Runs `body` in a transaction of its own.
  //
  // OK: `body` returned OK, and what it wrote is committed and durable as the
  // backend was opened for (storage/durability.h): it survives the crash named
  // there, and every later Read shows it.
  // Otherwise: nothing of what it wrote is kept; the status is the body's, or
  // one of the above when the commit failed. After a failed commit the backend
  // may refuse writes until it is opened again (kUnavailable).
  //
  // `body` may run on another thread while the caller waits (writers are
  // grouped), and more than once (a database may ask for a repetition): it
  // takes no lock that the caller holds, and has no effect outside the
  // transaction but results that it assigns anew each time.
  // REQUIRES: `body` calls neither Read nor Write.
  virtual absl::Status Write(
      absl::FunctionRef<absl::Status(Transaction&)> body) = 0;

  // OK: all that was committed before survives the crash of the machine,
  // whatever the backend was opened for. Any status above.
  virtual absl::Status Sync() = 0;

  // What is known of connections, commits and sizes; cheap. None if nothing
  // is.
  virtual void AppendReadings(Readings*) const {}
};

// "INSERT INTO table (columns...) VALUES (?, ...)". Names are constants of the
// caller's code.
std::string InsertSql(std::string_view table,
                      absl::Span<const std::string_view> columns);

// What follows an INSERT whose row may be there already: its other columns
// overwrite those of the row whose first `key_columns` columns are equal.
std::string OnConflictUpdate(Dialect dialect,
                             absl::Span<const std::string_view> columns,
                             int key_columns);

// InsertSql and OnConflictUpdate.
std::string UpsertSql(Dialect dialect, std::string_view table,
                      absl::Span<const std::string_view> columns,
                      int key_columns);

// The same, made once. Immutable; a static of the function that uses it.
class UpsertTexts {
 public:
  UpsertTexts(std::string_view table,
              std::initializer_list<std::string_view> columns,
              int key_columns);
  const std::string& text(Dialect dialect) const {
    return texts_[static_cast<size_t>(dialect)];
  }

 private:
  std::string texts_[3];
};

// What follows an INSERT whose rows may be there already: those are left as
// they are, and not counted as changed. `column` is any of the table. Only
// keys that are taken are passed over, no other fault of a row.
std::string OnConflictDoNothing(Dialect dialect, std::string_view column);

// What follows a SELECT of a transaction whose rows no other transaction may
// change until this one ends: who reads a value to write it anew asks so. Where
// there is one writer, nothing.
std::string_view ForUpdate(Dialect dialect);

// "?, ?, ?" with `count` placeholders.
std::string Placeholders(size_t count);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_DATABASE_H_
