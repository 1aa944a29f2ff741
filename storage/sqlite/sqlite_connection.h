// One connection to a SQLite file, with its prepared statements.
#ifndef MILLSTREAM_STORAGE_SQLITE_SQLITE_CONNECTION_H_
#define MILLSTREAM_STORAGE_SQLITE_SQLITE_CONNECTION_H_

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/liveness.h"
#include "storage/durability.h"
#include "storage/sql/database.h"

struct sqlite3;

namespace millstream::storage::sqlite {

class SqliteStatement;

// Thread-compatible: used by one thread at a time. REQUIRES: all its statements
// are given back before it is destroyed.
class SqliteConnection final : public sql::Transaction {
 public:
  // Prepared statements that are kept, and the longest text of one: a search of
  // many clauses is not asked twice.
  static constexpr size_t kCachedStatementsMax = 128;
  static constexpr size_t kCachedTextBytesMax = 16 << 10;

  struct Options {
    bool read_only = false;
    Durability durability = Durability::kMachine;
    // Pages kept in memory.
    int cache_kib = 2048;
    // Of the file's start, mapped instead of read. Only of MLflow's: pages of
    // our own are not mapped.
    int64_t mmap_bytes = 0;
    // Whose tables are in the file. kOwn: if the file is made, its pages get
    // checksums; MLflow would not write them.
    sql::Schema schema = sql::Schema::kOwn;
    // Leave the kind of its journal, which is noted in the file, as it is until
    // UseLog is called: who has not looked at what is in it alters nothing.
    bool leave_journal = false;
  };

  // kUnavailable: not a file that can be opened, or locked by another program;
  // kDataLoss: no SQLite database, or a damaged one. A file that is not there
  // is made, unless read_only. Checksums that a file has are compared whenever
  // a page is read, now and later (page_checksums.h).
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(
      const std::string& path, const Options& options);

  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  absl::StatusOr<sql::StatementPtr> Prepare(std::string_view sql) override;
  sql::Dialect dialect() const override { return sql::Dialect::kSqlite; }
  sql::Schema schema() const override { return schema_; }
  int64_t changes() const override;
  int64_t last_insert_id() const override;

  // Has the journal be a write-ahead log from now on; nothing if it is one.
  // kUnavailable: another program holds the file. REQUIRES: no transaction.
  absl::Status UseLog();

  // Runs a text of any number of statements; not kept.
  absl::Status ExecuteScript(const std::string& sql);

  // The one value of a query such as "PRAGMA user_version".
  absl::StatusOr<int64_t> QueryInt64(std::string_view sql);

  // Whether the pages of the file have checksums (page_checksums.h).
  bool has_checksums() const;

  // As in page_checksums.h.
  absl::Status ReadAllPages(absl::FunctionRef<absl::Status()> on_page,
                            absl::FunctionRef<void(int64_t)> on_damage);

  // Until it is called again: statements end with kCancelled once `caller`
  // no longer waits. Null: they run to their ends.
  void WorkFor(const Liveness* caller);

  // False after BEGIN, until COMMIT or ROLLBACK; SQLite rolls back by itself
  // after some errors.
  bool in_transaction() const;

  size_t cached_statements() const { return statements_.size(); }

 private:
  friend class SqliteStatement;
  // Most recently used first.
  using StatementList = std::list<std::unique_ptr<SqliteStatement>>;

  SqliteConnection(sqlite3* db, sql::Schema schema);

  absl::Status Configure(const Options& options);
  absl::StatusOr<std::unique_ptr<SqliteStatement>> PrepareNew(
      std::string_view sql, bool cached);
  void EvictStatements();

  sqlite3* const db_;
  const sql::Schema schema_;
  StatementList statements_;
  // Keys are texts that the statements own.
  absl::flat_hash_map<std::string_view, StatementList::iterator> by_text_;
};

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_SQLITE_CONNECTION_H_
