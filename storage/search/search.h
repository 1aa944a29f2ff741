// Search: from what a caller wrote (filter, order, page token) to SQL text with
// bound values. Knows no database: SqlDialect says what differs between them,
// and the caller runs what comes out.
//
// The way through this folder:
//   lexer -> parser -> filter_ast -> semantics (checked against an
//   entity_schema) -> sql_generator, sql_filter, sql_order (with a sql_dialect)
//   -> SearchQuery
// and page_token binds the next page to its query.
//
// How a store uses it (storage/sql/page_reader.h):
//
//   ASSIGN_OR_RETURN(SearchQuery query, BuildRunSearch(request, dialect));
//   On one snapshot, take the first of query.ways() whose probe finds few rows;
//   the last has no probe. Then for each of its parts, in order, until
//   query.max_results() + 1 rows were seen over all of them: prepare its text,
//   bind its bindings, the first one to parameter 1, and step.
//   A row holds request.columns, in that order, then query.cursor_columns()
//   more values of the row's place in the order.
//   Keep the first max_results rows. Was there one row more? Then the next page
//   begins after the last kept row:
//     next_page_token = query.NextPageToken(cursor values of that row).
//
// All functions are thread-safe. Every error is INVALID_PARAMETER_VALUE
// (base/error.h) with a sentence for the caller, naming the column of the text
// where there is one.
#ifndef MILLSTREAM_STORAGE_SEARCH_SEARCH_H_
#define MILLSTREAM_STORAGE_SEARCH_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/liveness.h"

namespace millstream::storage::search {

class SqlDialect;

// A value to bind or a value read back: NULL, integer, real, text (UTF-8).
using SqlValue = std::variant<std::monostate, int64_t, double, std::string>;

struct SqlStatement {
  std::string text;
  std::vector<SqlValue> bindings;
};

enum class ViewType { kActiveOnly, kDeletedOnly, kAll };

// --- Requests. Views are borrowed for the length of the call.
//
// `columns` are names of columns of the entity's own table, constants of the
// caller's code and never user input; they are selected as written here.
// `max_results` is the page size, >= 0; the service checks its upper bound.
// An empty page_token asks for the first page. `caller`, who lives longer, ends
// the search when it no longer waits.

struct RunSearch {  // table runs
  std::vector<std::string_view> columns;
  std::vector<std::string_view> experiment_ids;
  std::string_view filter = {};
  ViewType view = ViewType::kActiveOnly;
  std::vector<std::string_view> order_by;
  int64_t max_results = 0;
  std::string_view page_token = {};
  // False: runs without params, tags, metrics, inputs and outputs.
  bool parts = true;
  // Models that went into runs, which MLflow shows for a single run only.
  bool model_inputs = false;
  // Of these parts, in bytes: pages that have more are made shorter, but for a
  // page of one run. 0: the store's bound.
  size_t parts_bytes_max = 0;
  const Liveness* caller = &Liveness::Always();
};

struct ExperimentSearch {  // table experiments
  std::vector<std::string_view> columns;
  std::string_view filter = {};
  ViewType view = ViewType::kActiveOnly;
  std::vector<std::string_view> order_by;
  int64_t max_results = 0;
  std::string_view page_token = {};
  const Liveness* caller = &Liveness::Always();
};

struct RegisteredModelSearch {  // table registered_models
  std::vector<std::string_view> columns;
  std::string_view workspace = "default";
  std::string_view filter = {};
  std::vector<std::string_view> order_by;
  int64_t max_results = 0;
  std::string_view page_token = {};
  const Liveness* caller = &Liveness::Always();
};

struct ModelVersionSearch {  // table model_versions
  std::vector<std::string_view> columns;
  std::string_view workspace = "default";
  std::string_view filter = {};
  std::vector<std::string_view> order_by;
  int64_t max_results = 0;
  std::string_view page_token = {};
  const Liveness* caller = &Liveness::Always();
};

struct LoggedModelSearch {  // table logged_models
  struct Dataset {
    std::string_view name = {};
    std::string_view digest = {};  // empty: only metrics without a digest
  };
  struct OrderBy {
    std::string_view field_name = {};
    bool ascending = true;
    std::string_view dataset_name = {};    // empty: any
    std::string_view dataset_digest = {};  // empty: any
  };
  std::vector<std::string_view> columns;
  std::vector<std::string_view> experiment_ids;
  std::string_view filter = {};
  std::vector<Dataset> datasets;
  std::vector<OrderBy> order_by;
  int64_t max_results = 0;
  std::string_view page_token = {};
  const Liveness* caller = &Liveness::Always();
};

// --- Result

// One way to the rows of a search. All ways lead to the same rows.
struct SearchWay {
  // Gives one number: how many rows this way would visit, counted up to
  // kFewRowsMax + 1. The way is to be taken if that is at most kFewRowsMax.
  // Empty text: it may be taken whatever else is known.
  SqlStatement probe;
  // Statements to run one after the other; later ones only while rows are
  // missing. Each is sorted, and so are their rows in sequence.
  std::vector<SqlStatement> parts;
};

// Rows that are few: to fetch and to sort them takes some 4 ms. What holds for
// more of N runs is met every N / kFewRowsMax rows in any order, on average.
inline constexpr int kFewRowsMax = 2000;

// What to run, and how to go on from its last row. A value; thread-compatible.
class SearchQuery {
 public:
  // The best first; the last has no probe.
  const std::vector<SearchWay>& ways() const { return ways_; }

  int64_t max_results() const { return max_results_; }

  // Number of values that follow the requested columns in each row.
  int cursor_columns() const { return cursor_columns_; }

  // The token of the page that begins after the row whose cursor values these
  // are. REQUIRES: cursor.size() == cursor_columns().
  std::string NextPageToken(absl::Span<const SqlValue> cursor) const;

 private:
  friend class SearchQueryBuilder;

  std::vector<SearchWay> ways_;
  int64_t max_results_ = 0;
  int cursor_columns_ = 0;
  uint64_t fingerprint_ = 0;  // of everything but the page and its size
  int64_t next_offset_ = 0;   // for a row that no position can name
};

absl::StatusOr<SearchQuery> BuildRunSearch(const RunSearch& request,
                                           const SqlDialect& dialect);
absl::StatusOr<SearchQuery> BuildExperimentSearch(
    const ExperimentSearch& request, const SqlDialect& dialect);
absl::StatusOr<SearchQuery> BuildRegisteredModelSearch(
    const RegisteredModelSearch& request, const SqlDialect& dialect);
absl::StatusOr<SearchQuery> BuildModelVersionSearch(
    const ModelVersionSearch& request, const SqlDialect& dialect);
absl::StatusOr<SearchQuery> BuildLoggedModelSearch(
    const LoggedModelSearch& request, const SqlDialect& dialect);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SEARCH_H_
