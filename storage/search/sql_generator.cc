#include "storage/search/sql_generator.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/search/page_token.h"
#include "storage/search/sql_filter.h"

namespace millstream::storage::search {

// The one that may fill in a SearchQuery.
class SearchQueryBuilder {
 public:
  static SearchQuery Make(std::vector<SqlStatement> parts,
                          const BoundSearch& search, size_t cursor_columns,
                          int64_t offset) {
    SearchQuery query;
    query.parts_ = std::move(parts);
    query.max_results_ = search.max_results;
    query.cursor_columns_ = static_cast<int>(cursor_columns);
    query.fingerprint_ = search.fingerprint;
    query.next_offset_ = offset + search.max_results;
    return query;
  }
};

namespace {

// What a statement reads, see the header.
enum class Shape {
  kSort,           // all, sorted
  kWalkNumbers,    // the metric's numbers by index
  kWalkNans,       // then its NaNs
  kWalkMissing,    // then the runs without it
};

struct SortKey {
  std::string expression;
  bool ascending = true;
  bool nullable = true;
  bool indexed = false;
  // The same in all rows of the statement: nothing to sort.
  bool constant = false;
  CursorType type = CursorType::kInteger;
};

CursorType TypeOf(const AttributeSpec& attribute) {
  return attribute.type == ValueType::kText ? CursorType::kText
                                            : CursorType::kInteger;
}

class Generator {
 public:
  Generator(const BoundSearch& search, const SqlDialect& dialect)
      : search_(search), schema_(*search.schema), dialect_(dialect) {}

  absl::StatusOr<SearchQuery> Run();

 private:
  bool ByMetric() const {
    const CollectionSpec* first = search_.order[0].collection;
    return first != nullptr && first->has_is_nan;
  }

  std::vector<SortKey> Keys(Shape shape) const;
  SqlStatement Scope() const;
  void From(Shape shape, SqlWriter* out) const;
  void OrderJoin(size_t index, SqlWriter* out) const;
  void Walked(Shape shape, SqlWriter* out) const;
  void OrderBy(const std::vector<SortKey>& keys, SqlWriter* out) const;
  void Limit(Shape shape, bool both, SqlWriter* out) const;
  void Behind(const std::vector<SortKey>& keys, size_t index,
              SqlWriter* out) const;
  void BehindCursor(std::vector<SortKey> keys, SqlWriter* out) const;

  // `null_part`: the rows whose leading value is NULL, all of them.
  SqlStatement Part(Shape shape, bool both, bool null_part) const;
  std::vector<SqlStatement> WalkParts() const;

  const BoundSearch& search_;
  const EntitySchema& schema_;
  const SqlDialect& dialect_;
  PagePosition position_;
};

std::vector<SortKey> Generator::Keys(Shape shape) const {
  std::vector<SortKey> keys;
  for (size_t i = 0; i < search_.order.size(); ++i) {
    const BoundOrder& order = search_.order[i];
    SortKey key;
    key.ascending = order.ascending;
    if (order.attribute != nullptr) {
      key.expression = StrCat("e.", order.attribute->column);
      key.nullable = order.attribute->nullable;
      key.indexed = order.attribute->indexed;
      key.type = TypeOf(*order.attribute);
      keys.push_back(std::move(key));
      continue;
    }
    const std::string table = StrCat("o", i);
    const bool walks = i == 0 && shape != Shape::kSort;
    if (order.collection->has_is_nan) {
      // Numbers, then NaN, then none, in both directions.
      SortKey rank;
      rank.nullable = false;
      rank.constant = walks;
      rank.expression =
          !walks ? StrCat("CASE WHEN ", table, ".is_nan = ",
                          dialect_.BooleanLiteral(true), " THEN 1 WHEN ",
                          table, ".value IS NULL THEN 2 ELSE 0 END")
          : shape == Shape::kWalkNumbers ? "0"
          : shape == Shape::kWalkNans    ? "1"
                                         : "2";
      keys.push_back(std::move(rank));
    }
    key.expression = walks && shape == Shape::kWalkMissing
                         ? "NULL"
                         : StrCat(table, ".", order.collection->value_column);
    key.type = order.collection->field == Field::kMetric ? CursorType::kReal
                                                         : CursorType::kText;
    if (walks) {
      key.constant = shape != Shape::kWalkNumbers;
      key.indexed = shape == Shape::kWalkNumbers;
      key.nullable = shape == Shape::kWalkMissing;
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

SqlStatement Generator::Scope() const {
  SqlWriter out;
  switch (schema_.entity) {
    case Entity::kRun:
    case Entity::kExperiment:
      out.Text(search_.view == ViewType::kActiveOnly
                   ? "e.lifecycle_stage = 'active'"
               : search_.view == ViewType::kDeletedOnly
                   ? "e.lifecycle_stage = 'deleted'"
                   : "e.lifecycle_stage IN ('active', 'deleted')");
      break;
    case Entity::kRegisteredModel:
      out.Text("e.workspace = ?").BindText(search_.workspace);
      break;
    case Entity::kModelVersion:
      out.Text("e.workspace = ?").BindText(search_.workspace);
      out.Text(" AND e.current_stage <> 'Deleted_Internal'");
      break;
    case Entity::kLoggedModel:
      out.Text("e.lifecycle_stage <> 'deleted'");
      break;
  }
  if (schema_.entity == Entity::kRun ||
      schema_.entity == Entity::kLoggedModel) {
    if (search_.experiment_ids.empty()) {
      out.Text(" AND 1 = 0");
    } else {
      out.Text(" AND e.experiment_id IN (");
      out.List(search_.experiment_ids).Text(")");
    }
  }
  return out.Take();
}

// Joins the value to order by; at most one row for each entity.
void Generator::OrderJoin(size_t index, SqlWriter* out) const {
  const BoundOrder& order = search_.order[index];
  if (order.collection == nullptr) return;
  const std::string table = StrCat("o", index);
  const std::string owned = OwnedByEntity(table, schema_);
  out->Text(" LEFT JOIN ", order.collection->table, " ", table, " ON ", owned);
  if (schema_.entity != Entity::kLoggedModel) {
    out->Text(" AND ", dialect_.TextEquals(StrCat(table, ".\"key\"")));
    out->BindText(order.key);
    return;
  }
  // The latest of the points that a logged model has of its metric.
  out->Text(" AND ", dialect_.TextEquals(StrCat(table, ".metric_name")),
            " AND (", table, ".metric_timestamp_ms, ", table,
            ".metric_step, ", table, ".run_id) = "
            "(SELECT p.metric_timestamp_ms, p.metric_step, p.run_id "
            "FROM logged_model_metrics p WHERE ",
            OwnedByEntity("p", schema_), " AND ",
            dialect_.TextEquals("p.metric_name"));
  out->BindText(order.key).BindText(order.key);
  if (!order.dataset_name.empty()) {
    out->Text(" AND ", dialect_.TextEquals("p.dataset_name"));
    out->BindText(order.dataset_name);
  }
  if (!order.dataset_digest.empty()) {
    out->Text(" AND ", dialect_.TextEquals("p.dataset_digest"));
    out->BindText(order.dataset_digest);
  }
  out->Text(" ORDER BY p.metric_timestamp_ms DESC, p.metric_step DESC, "
            "p.run_id LIMIT 1)");
}

void Generator::From(Shape shape, SqlWriter* out) const {
  const bool walks = shape == Shape::kWalkNumbers || shape == Shape::kWalkNans;
  // CROSS JOIN: SQLite keeps the order in which they stand.
  if (walks) {
    out->Text(" FROM latest_metrics o0 CROSS JOIN runs e"
              " ON e.run_uuid = o0.run_uuid");
  } else {
    out->Text(" FROM ", schema_.table, " e");
  }
  for (size_t i = shape == Shape::kSort ? 0 : 1; i < search_.order.size();
       ++i) {
    OrderJoin(i, out);
  }
}

// The condition that makes the rows of a walk its own.
void Generator::Walked(Shape shape, SqlWriter* out) const {
  if (shape == Shape::kSort) return;
  if (shape == Shape::kWalkMissing) {
    out->Text(" AND NOT EXISTS (SELECT 1 FROM latest_metrics o0 WHERE ",
              OwnedByEntity("o0", schema_), " AND ",
              dialect_.TextEquals("o0.\"key\""), ")");
  } else {
    out->Text(" AND ", dialect_.TextEquals("o0.\"key\""), " AND o0.is_nan = ",
              dialect_.BooleanLiteral(shape == Shape::kWalkNans));
  }
  out->BindText(search_.order[0].key);
}

void Generator::OrderBy(const std::vector<SortKey>& keys,
                        SqlWriter* out) const {
  std::string_view separator = " ORDER BY ";
  for (const SortKey& key : keys) {
    if (key.constant) continue;
    out->Text(separator,
              key.nullable
                  ? dialect_.OrderNullsLast(key.expression, key.ascending)
                  : StrCat(key.expression, key.ascending ? "" : " DESC"));
    separator = ", ";
  }
}

void Generator::Limit(Shape shape, bool both, SqlWriter* out) const {
  if (!both) {
    out->Text(" LIMIT ?");
  } else {
    out->Text(" LIMIT CASE WHEN (SELECT COUNT(*) FROM (SELECT 1 FROM runs e "
              "WHERE ").Append(Scope());
    out->Text(" LIMIT ", kSortedRunsMax + 1, "))",
              shape == Shape::kSort ? " <= " : " > ", kSortedRunsMax,
              " THEN ? ELSE 0 END");
  }
  // One more than the page: is there another page?
  out->Bind(search_.max_results + 1);
  if (position_.offset > 0 && position_.cursor.empty()) {
    out->Text(" OFFSET ?").Bind(position_.offset);
  }
}

// "This row sorts behind the cursor", from key `index` on.
void Generator::Behind(const std::vector<SortKey>& keys, size_t index,
                       SqlWriter* out) const {
  const SortKey& key = keys[index];
  const SqlValue& value = position_.cursor[index];
  const bool last = index + 1 == keys.size();
  if (key.constant && !last) return Behind(keys, index + 1, out);
  if (std::holds_alternative<std::monostate>(value)) {
    // NULL is last: there is only more of it behind.
    if (last) {
      out->Text("1 = 0");
      return;
    }
    out->Text("(", key.expression, " IS NULL AND ");
    Behind(keys, index + 1, out);
    out->Text(")");
    return;
  }
  out->Text("(", key.expression, key.ascending ? " > ?" : " < ?").Bind(value);
  if (key.nullable) out->Text(" OR ", key.expression, " IS NULL");
  if (!last) {
    out->Text(" OR (", key.expression, " = ? AND ").Bind(value);
    Behind(keys, index + 1, out);
    out->Text(")");
  }
  out->Text(")");
}

void Generator::BehindCursor(std::vector<SortKey> keys, SqlWriter* out) const {
  size_t leading = 0;
  while (keys[leading].constant) ++leading;
  SortKey& key = keys[leading];
  const SqlValue& value = position_.cursor[leading];
  out->Text(" AND ");
  const bool null_is_apart = leading == 0 || !key.nullable;
  if (key.indexed && null_is_apart &&
      !std::holds_alternative<std::monostate>(value)) {
    // Says no more than the rest, but so that an index is entered there. Leaves
    // out NULL, which has a part of its own.
    key.nullable = false;
    out->Text(key.expression, key.ascending ? " >= ?" : " <= ?", " AND ");
    out->Bind(value);
  }
  Behind(keys, 0, out);
}

SqlStatement Generator::Part(Shape shape, bool both, bool null_part) const {
  const std::vector<SortKey> keys = Keys(shape);
  SqlWriter out;
  std::string_view separator = "SELECT ";
  for (const std::string_view column : search_.columns) {
    out.Text(separator, "e.", column);
    separator = ", ";
  }
  for (const SortKey& key : keys) {
    out.Text(separator, key.expression);
    separator = ", ";
  }
  From(shape, &out);
  out.Text(" WHERE ").Append(Scope());
  Walked(shape, &out);
  AppendFilter(search_.filter, schema_, search_.datasets, dialect_, &out);
  if (schema_.entity == Entity::kLoggedModel) {
    const auto on_metric = [](const BoundComparison& c) {
      return c.collection != nullptr && c.collection->field == Field::kMetric;
    };
    bool any = false;
    for (const BoundComparison& c : search_.filter) any = any || on_metric(c);
    if (!any && !search_.datasets.empty()) {
      out.Text(" AND EXISTS (SELECT 1 FROM logged_model_metrics c WHERE ",
               OwnedByEntity("c", schema_));
      AppendDatasets(search_.datasets, "c", dialect_, &out);
      out.Text(")");
    }
  }
  if (null_part) {
    out.Text(" AND ", keys[0].expression, " IS NULL");
  } else if (!position_.cursor.empty()) {
    BehindCursor(keys, &out);
  }
  OrderBy(keys, &out);
  Limit(shape, both, &out);
  return out.Take();
}

std::vector<SqlStatement> Generator::WalkParts() const {
  std::vector<SqlStatement> parts;
  parts.push_back(Part(Shape::kSort, /*both=*/true, /*null_part=*/false));
  // A cursor is in one of the three; those before it are over, those behind it
  // are whole.
  const int64_t rank = position_.cursor.empty()
                           ? 0
                           : std::get<int64_t>(position_.cursor[0]);
  const Shape shapes[] = {Shape::kWalkNumbers, Shape::kWalkNans,
                          Shape::kWalkMissing};
  for (int64_t i = rank; i < 3; ++i) {
    if (i == rank) {
      parts.push_back(Part(shapes[i], /*both=*/true, /*null_part=*/false));
      continue;
    }
    Generator whole(search_, dialect_);
    parts.push_back(whole.Part(shapes[i], /*both=*/true, /*null_part=*/false));
  }
  return parts;
}

absl::StatusOr<SearchQuery> Generator::Run() {
  const std::vector<SortKey> keys = Keys(Shape::kSort);
  if (!search_.page_token.empty()) {
    std::vector<CursorColumn> columns;
    for (const SortKey& key : keys) columns.push_back({key.type, key.nullable});
    ASSIGN_OR_RETURN(position_,
                     DecodePageToken(search_.page_token, search_.fingerprint,
                                     columns));
  }
  const bool by_offset = position_.offset > 0 && position_.cursor.empty();
  std::vector<SqlStatement> parts;
  if (ByMetric() && dialect_.WalksMetricIndex() && !by_offset) {
    parts = WalkParts();
  } else {
    parts.push_back(Part(Shape::kSort, /*both=*/false, /*null_part=*/false));
    if (!position_.cursor.empty() && keys[0].indexed && keys[0].nullable &&
        !std::holds_alternative<std::monostate>(position_.cursor[0])) {
      parts.push_back(Part(Shape::kSort, /*both=*/false, /*null_part=*/true));
    }
  }
  return SearchQueryBuilder::Make(std::move(parts), search_, keys.size(),
                                  position_.offset);
}

}  // namespace

std::string SearchQuery::NextPageToken(
    absl::Span<const SqlValue> cursor) const {
  return EncodePageToken(
      fingerprint_,
      {next_offset_, std::vector<SqlValue>(cursor.begin(), cursor.end())});
}

absl::StatusOr<SearchQuery> GenerateSql(const BoundSearch& search,
                                        const SqlDialect& dialect) {
  return Generator(search, dialect).Run();
}

}  // namespace millstream::storage::search
