// What a tree means for one kind of entity: names become columns or keys,
// operators and values are checked and typed. Errors are
// INVALID_PARAMETER_VALUE, name the column and list what would be right.
//
// What comes out owns its values, and points into the EntitySchema.
// Thread-safe.
#ifndef MILLSTREAM_STORAGE_SEARCH_SEMANTICS_H_
#define MILLSTREAM_STORAGE_SEARCH_SEMANTICS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/search/entity_schema.h"
#include "storage/search/filter_ast.h"
#include "storage/search/search.h"

namespace millstream::storage::search {

struct BoundComparison {
  const AttributeSpec* attribute = nullptr;    // or
  const CollectionSpec* collection = nullptr;  // with
  std::string key;
  Op op = kEqual;
  // One, several for lists, none for IS [NOT] NULL. Patterns as written.
  std::vector<SqlValue> values;
};

struct BoundOrder {
  const AttributeSpec* attribute = nullptr;    // or
  const CollectionSpec* collection = nullptr;  // with
  std::string key;
  bool ascending = true;
  // Of a logged model's metric; empty: any.
  std::string dataset_name;
  std::string dataset_digest;
};

// A whole search, of which page_token alone was not looked at yet.
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

// Parses and binds `text`.
absl::StatusOr<std::vector<BoundComparison>> BindFilter(
    std::string_view text, const EntitySchema& schema);

// Parses and binds the terms, puts the default order for none, and appends the
// tie breakers: the order is total. Terms behind a unique column are left out.
absl::StatusOr<std::vector<BoundOrder>> BindOrder(
    absl::Span<const std::string_view> terms, const EntitySchema& schema);

// The same for logged models, whose terms come as fields.
absl::StatusOr<std::vector<BoundOrder>> BindLoggedModelOrder(
    absl::Span<const LoggedModelSearch::OrderBy> terms);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SEMANTICS_H_
