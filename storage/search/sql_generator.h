// From a bound search to SQL: text whose cost follows the page rather than the
// table wherever an index allows it.
//
// A statement reads
//   SELECT columns, sort values FROM <entity> e [LEFT JOIN order tables]
//   WHERE scope AND filter AND <behind the page token> ORDER BY ... LIMIT
// and is usually alone. There are two reasons for more:
// - Runs by a metric. Numbers, NaNs and runs without it come one after the
//   other; each is one statement, the first walks an index of the metric's
//   values and stops at the page. That pays only if a good part of the index
//   belongs to the experiments in question, so these statements are for large
//   experiments and one that sorts is for small ones. Which it is, the
//   statements find out themselves, in their LIMIT; the other kind gives no row.
// - Behind a token in an order by an indexed column that may be NULL: first the
//   values behind, in a range of the index, then the NULLs.
#ifndef MILLSTREAM_STORAGE_SEARCH_SQL_GENERATOR_H_
#define MILLSTREAM_STORAGE_SEARCH_SQL_GENERATOR_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/search/search.h"
#include "storage/search/semantics.h"
#include "storage/search/sql_dialect.h"

namespace millstream::storage::search {

// Runs of one search up to which they are sorted rather than found by walking
// the metric's index: looking up and sorting them takes some 5 ms, and the walk
// may visit (runs with the metric) / (runs of the search) rows for each hit.
inline constexpr int kSortedRunsMax = 4000;

struct BoundSearch {
  const EntitySchema* schema = nullptr;
  std::vector<std::string_view> columns;
  std::vector<BoundComparison> filter;
  std::vector<BoundOrder> order;
  // Whichever the entity has.
  ViewType view = ViewType::kActiveOnly;
  std::vector<int64_t> experiment_ids;
  std::string_view workspace;
  std::vector<LoggedModelSearch::Dataset> datasets;

  int64_t max_results = 0;
  std::string_view page_token;
  uint64_t fingerprint = 0;
};

// INVALID_PARAMETER_VALUE: the page token. Thread-safe.
absl::StatusOr<SearchQuery> GenerateSql(const BoundSearch& search,
                                        const SqlDialect& dialect);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SQL_GENERATOR_H_
