// From a bound search to SQL: text whose cost follows the page rather than the
// table wherever an index allows it.
//
// A statement reads
//   SELECT columns, sort values FROM <entity> e [LEFT JOIN order tables]
//   WHERE scope AND filter AND <behind the page token> ORDER BY ... LIMIT
// and is usually alone: its rows come by an index in their order, conditions
// are looked up for each, and the page's last row ends it. There are three
// reasons for more statements, which run one after the other:
//
// - Behind a token in an order by an indexed column that may be NULL: first the
//   values behind, in a range of the index, then the NULLs.
// - Runs by a metric. Numbers, NaNs and runs without the metric are one
//   statement each; the first walks the index of metrics by value. That pays
//   only if a good part of the metric's index belongs to the experiments in
//   question: it is for large experiments; in small ones all runs are sorted.
// - Runs with few candidates: metrics.loss < 0.001, children of a run. They are
//   fetched by an index of values and sorted. If there are many candidates, the
//   page fills soon in the order's own way.
//
// Runs are found by what an index holds of them, and those of the page fetched.
//
// What is large and few is known to the database alone, so the statements for
// both are there, and each finds out in its LIMIT whether it is to give rows.
//
// Indexes that this counts on, in SQLite:
//   runs (experiment_id, start_time DESC, run_uuid, lifecycle_stage, name)
//   latest_metrics (key, is_nan, value, run_uuid)
//   tags (value, run_uuid) WHERE key = 'mlflow.parentRunId'
//   logged_models (experiment_id, creation_timestamp_ms DESC, model_id)
// and primary keys that begin with the owner: params (run_uuid, key).
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

// Candidates that are few: fetching and sorting them takes some 2 ms. With more
// of them in N runs, a page of P needs about P * N / 1000 lookups.
inline constexpr int kCandidatesMax = 1000;

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
