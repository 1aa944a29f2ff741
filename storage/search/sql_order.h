// The order of a search as SQL: ORDER BY, and the condition that a row sorts
// behind a cursor. Thread-safe.
#ifndef MILLSTREAM_STORAGE_SEARCH_SQL_ORDER_H_
#define MILLSTREAM_STORAGE_SEARCH_SQL_ORDER_H_

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "storage/search/page_token.h"
#include "storage/search/search.h"
#include "storage/search/sql_dialect.h"
#include "storage/search/sql_filter.h"

namespace millstream::storage::search {

// What rows are sorted by, most significant first. NULL sorts last in both
// directions. The last key is the row's own: never NULL, never twice.
struct SortKey {
  std::string expression;
  bool ascending = true;
  bool nullable = true;
  // An index enters the rows in this order.
  bool indexed = false;
  // The same in all rows of the statement: nothing to sort.
  bool constant = false;
  CursorType type = CursorType::kInteger;
};

inline bool IsNull(const SqlValue& value) {
  return std::holds_alternative<std::monostate>(value);
}

// The first key that is not the same in all rows.
size_t Leading(const std::vector<SortKey>& keys);

// Appends " ORDER BY ...".
void AppendOrderBy(const std::vector<SortKey>& keys, const SqlDialect& dialect,
                   SqlWriter* out);

// Appends " AND <the row sorts behind the one with these values>". Constant
// keys count as equal. With `null_is_apart`, rows whose leading value is NULL
// are left to another statement: what remains is a range of the index.
// REQUIRES: cursor.size() == keys.size().
void AppendBehind(std::vector<SortKey> keys,
                  const std::vector<SqlValue>& cursor, bool null_is_apart,
                  SqlWriter* out);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SQL_ORDER_H_
