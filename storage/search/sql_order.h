// The order of a search as SQL: ORDER BY, and the conditions that a row sorts
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
  // The statement's rows can come in this order by an index.
  bool indexed = false;
  // The same in all rows of the statement: nothing to sort.
  bool constant = false;
  // Of a key that descends in an index whose rows of one value come in the
  // order of the other keys only if it is read upwards: "SELECT MAX(n.value)
  // ... WHERE ...", the greatest value there is. Else empty.
  SqlStatement greatest = {};
  CursorType type = CursorType::kInteger;
};

// Parts of the rows behind a cursor, by the leading key: the first that is not
// constant. Together, in the order in which they stand here, they are all.
enum class Slice {
  kAll,     // undivided
  kTies,    // rows with the cursor's leading value
  kNext,    // rows with the greatest leading value behind that, and
  kRest,    // rows with values behind that one: if SortKey::greatest is there
  kBeyond,  // rows with a leading value behind the cursor's; without a cursor
            // all that have one
  kNulls,   // rows without a leading value
};

// The parts to ask for rows in if they come by an index in the order of the
// leading key; undivided if they do not.
// `cursor` is empty or has a value for each key.
std::vector<Slice> SlicesBehind(const std::vector<SortKey>& keys,
                                const std::vector<SqlValue>& cursor);

// Appends " AND <the row is in the slice, and sorts behind the cursor>", and
// makes keys constant that are so in the slice, or not NULL.
void AppendSlice(Slice slice, const std::vector<SqlValue>& cursor,
                 std::vector<SortKey>* keys, SqlWriter* out);

// Appends " ORDER BY ...".
void AppendOrderBy(const std::vector<SortKey>& keys, const SqlDialect& dialect,
                   SqlWriter* out);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SQL_ORDER_H_
