// What differs between the databases that search is generated for. Column and
// table names that reach it are constants of this folder; user text reaches
// the database as bound values only.
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

  // The placeholder of parameter `index` (from 1): "?", "?1", "$1".
  virtual std::string Placeholder(int index) const = 0;

  // `name` as an identifier; some of MLflow's columns are keywords ("key").
  virtual std::string QuoteIdentifier(std::string_view name) const = 0;

  // "TRUE" or "1": the literal that boolean columns (is_nan) compare to.
  virtual std::string_view BooleanLiteral(bool value) const = 0;

  // A condition on text that is exact to the letter's case even where the
  // database's collation is not. `op` is "=" or "<>".
  virtual std::string TextEquals(std::string_view column, std::string_view op,
                                 std::string_view placeholder) const = 0;

  // Pattern match with % and _; `pattern` is what the caller wrote. Returns the
  // condition; the value to bind to `placeholder` is LikePattern().
  virtual std::string Like(std::string_view column,
                           std::string_view placeholder) const = 0;
  virtual std::string ILike(std::string_view column,
                            std::string_view placeholder) const = 0;
  virtual std::string LikePattern(std::string_view pattern) const = 0;

  // Terms that sort `column` in this direction with NULL last in both.
  virtual std::string OrderNullsLast(std::string_view column,
                                     bool ascending) const = 0;

  // True if the database may be told to walk an index on
  // latest_metrics(key, is_nan, value, run_uuid) in its order and stop at the
  // page: its planner takes the order of tables from CROSS JOIN, and LIMIT may
  // be an expression. False: one statement that sorts.
  virtual bool WalksMetricIndex() const = 0;
};

// SQLite 3.35 or newer, with its default LIKE (PRAGMA case_sensitive_like off).
const SqlDialect& SqliteDialect();

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SQL_DIALECT_H_
