// What differs between the databases that search is generated for, beyond what
// storage/sql/database.h settles for all of them ("?" for values, double quotes
// around identifiers that are keywords). Column and table names that reach it
// are constants of this folder; user text reaches the database as bound values
// only.
//
// Implementations are stateless and thread-safe.
#ifndef MILLSTREAM_STORAGE_SEARCH_SQL_DIALECT_H_
#define MILLSTREAM_STORAGE_SEARCH_SQL_DIALECT_H_

#include <string>
#include <string_view>

namespace millstream::storage::search {

class SqlDialect {
 public:
  virtual ~SqlDialect() = default;

  // "TRUE" or "1": the literal that boolean columns (is_nan) compare to.
  virtual std::string_view BooleanLiteral(bool value) const = 0;

  // A condition on text, exact to the letter's case even where the database's
  // collation is not. "?" stands for the value.
  virtual std::string TextEquals(std::string_view column) const = 0;
  virtual std::string TextDiffers(std::string_view column) const = 0;
  // `column` as something that IN compares as exactly.
  virtual std::string ExactText(std::string_view column) const = 0;

  // Pattern match with % and _, by case or not by case. The value for the "?"
  // is LikePattern() or ILikePattern() of what the caller wrote.
  virtual std::string Like(std::string_view column) const = 0;
  virtual std::string LikePattern(std::string_view pattern) const = 0;
  virtual std::string ILike(std::string_view column) const = 0;
  virtual std::string ILikePattern(std::string_view pattern) const = 0;

  // An integer column as the text of its digits.
  virtual std::string IntegerAsText(std::string_view column) const = 0;

  // Terms that sort `column` in this direction with NULL last in both.
  virtual std::string OrderNullsLast(std::string_view column,
                                     bool ascending) const = 0;

  // True for our own schema in a database that can be told by which index to
  // begin: it has the indexes of search_plan.h, rows of tags, params and
  // latest_metrics repeat experiment_id and start_time of their run, runs.name
  // is the tag mlflow.runName if there is that tag, CROSS JOIN keeps the order
  // of tables, and INDEXED BY names an index. False: MLflow's schema, where one
  // plain statement leaves all that to the database.
  virtual bool FollowsPlans() const = 0;
};

// SQLite 3.35 or newer, with its default LIKE (PRAGMA case_sensitive_like off):
// our own schema, and MLflow's.
const SqlDialect& SqliteDialect();
const SqlDialect& SqliteMlflowDialect();

// PostgreSQL, with MLflow's schema. Text compares byte for byte with any
// collation that is deterministic, as all are unless made otherwise; its order
// is the database's.
const SqlDialect& PostgresDialect();

// MySQL and MariaDB, with MLflow's schema and sql_mode ANSI_QUOTES. Columns
// often have a collation that ignores case, so equality compares bytes, and
// patterns compare characters with a collation that tells them apart. Order is
// the collation's.
const SqlDialect& MysqlDialect();

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SQL_DIALECT_H_
