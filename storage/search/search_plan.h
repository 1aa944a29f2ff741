// Which ways lead to the runs of a search, best first. For our own schema in a
// database that is told by which index to begin (SqlDialect::FollowsPlans).
//
// What keeps the cost of a page from growing with the runs:
//
// - The rows of tags, params and latest metrics repeat the experiment and the
//   start of their run, which never change. So one index per table has the runs
//   of an experiment in the order of any key's values, runs of one value in the
//   default order, newest first; and all runs with a value, in the default
//   order, beside each other.
// - An order is therefore a walk through an index that ends with the page, as
//   long as a good part of the runs matches the filter.
// - If one comparison holds for few runs (kFewRowsMax), they are fetched by its
//   index and sorted instead. Whether they are few is known to the database
//   alone, so each such way has a probe that counts them, up to that number.
//
// What is left visits up to all runs: orders by and filters of other columns of
// runs and parts of names, which read nothing but an index (0.2 us a run), and
// filters of which each part holds for more than kFewRowsMax runs and all
// together for few.
//
// Indexes that this counts on:
//   runs (experiment_id, start_time DESC, run_uuid, and most other columns)
//   runs (experiment_id, name, start_time DESC, run_uuid)
//   latest_metrics (experiment_id, key, is_nan, value, start_time DESC,
//                   run_uuid)
//   params, tags (experiment_id, key, value, start_time DESC, run_uuid)
//   logged_models (experiment_id, creation_timestamp_ms DESC, model_id)
// and primary keys that begin with the owner: params (run_uuid, key).
#ifndef MILLSTREAM_STORAGE_SEARCH_SEARCH_PLAN_H_
#define MILLSTREAM_STORAGE_SEARCH_SEARCH_PLAN_H_

#include <string_view>
#include <vector>

#include "storage/search/entity_schema.h"
#include "storage/search/semantics.h"

namespace millstream::storage::search {

// What a statement begins with. Points into the BoundSearch.
struct Entry {
  enum class Kind {
    kTable,    // the entity's table
    kValues,   // the values of a key; of a metric the numbers among them
    kNans,     // the NaNs of a metric
    kMissing,  // the runs without the key
  };
  Kind kind = Kind::kTable;
  // Of kTable: the attribute whose index it is to be. Null: any.
  const AttributeSpec* attribute = nullptr;
  // Of the others.
  const CollectionSpec* collection = nullptr;
  std::string_view key = {};

  // Begins with rows of the collection's table.
  bool has_values() const {
    return kind == Kind::kValues || kind == Kind::kNans;
  }
  bool IsOf(const CollectionSpec* c, std::string_view k) const {
    return kind != Kind::kTable && collection == c && key == k;
  }
};

struct Way {
  // Of the first entry: worth it if it has few rows.
  bool is_probed = false;
  // One after the other.
  std::vector<Entry> entries;
};

// Entries that a search probes at most.
inline constexpr int kProbesMax = 8;

// The last way is not probed. Thread-safe. REQUIRES: a search for runs.
std::vector<Way> PlanRuns(const BoundSearch& search);

// Whether the rows of the entry come in the search's order, or nearly: rows of
// the same leading value may have to be sorted. Thread-safe.
bool IsInOrder(const Entry& entry, const BoundSearch& search);

// Whether the filter names runs by their ids. Thread-safe.
bool NamesRuns(const BoundSearch& search);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SEARCH_PLAN_H_
