// From a bound search to SQL.
//
// A statement reads
//   SELECT columns, sort values FROM ... [LEFT JOIN order tables]
//   WHERE scope AND filter AND <behind the page token> ORDER BY ... LIMIT
// and begins with an entry of the plan (search_plan.h). Its rows come by an
// index in their order, conditions are looked up for each, and the page's last
// row ends it; or the entry has few rows, which are sorted.
//
// A place in an order that an index has is a range of that index, so pages far
// back cost what the first does. The range is cut into statements that run one
// after the other: rows with the leading value of the page token, rows behind
// that value, and rows that have none.
//
// Runs of several experiments come in order from each; the statement merges
// them. Runs are found by what an index holds of them, and those of the page
// fetched.
#ifndef MILLSTREAM_STORAGE_SEARCH_SQL_GENERATOR_H_
#define MILLSTREAM_STORAGE_SEARCH_SQL_GENERATOR_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "storage/search/search.h"
#include "storage/search/semantics.h"
#include "storage/search/sql_dialect.h"

namespace millstream::storage::search {

// Experiments up to which their orders are merged; runs of more are sorted. A
// merge is a statement of as many parts.
inline constexpr size_t kMergedExperimentsMax = 100;

// INVALID_PARAMETER_VALUE: the page token. Thread-safe.
absl::StatusOr<SearchQuery> GenerateSql(const BoundSearch& search,
                                        const SqlDialect& dialect);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SQL_GENERATOR_H_
