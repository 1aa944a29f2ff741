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
#include "storage/search/sql_order.h"

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

// What a statement begins with, see the header.
enum class Shape {
  kSort,         // the entity's table
  kCandidates,   // the rows that a comparison allows
  kWalkNumbers,  // the metric's numbers by index
  kWalkNans,     // then its NaNs
  kWalkMissing,  // then the runs without it
};

bool IsWalk(Shape shape) {
  return shape == Shape::kWalkNumbers || shape == Shape::kWalkNans ||
         shape == Shape::kWalkMissing;
}

constexpr std::string_view kParentTag = "mlflow.parentRunId";

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
  bool by_offset() const {
    return position_.offset > 0 && position_.cursor.empty();
  }
  bool ByMetric() const {
    const CollectionSpec* first = search_.order[0].collection;
    return first != nullptr && first->has_is_nan;
  }
  // Compares the metric that the order begins with.
  bool ComparesWalked(const BoundComparison& comparison) const {
    return comparison.collection == search_.order[0].collection &&
           comparison.collection != nullptr &&
           comparison.key == search_.order[0].key;
  }
  bool NamesRuns() const;
  const BoundComparison* FindCandidates() const;

  std::vector<SortKey> Keys(Shape shape) const;
  SqlStatement Scope() const;
  void Candidates(SqlWriter* out) const;
  void From(Shape shape, SqlWriter* out) const;
  void OrderJoin(size_t index, SqlWriter* out) const;
  void Begin(Shape shape, SqlWriter* out) const;
  void Filter(Shape shape, SqlWriter* out) const;
  void Guards(Shape shape, SqlWriter* out) const;
  void Limit(Shape shape, SqlWriter* out) const;

  bool NullIsApart(Shape shape, const std::vector<SortKey>& keys) const;
  bool FetchesLate(Shape shape) const;
  void AppendRows(Shape shape, const std::vector<SortKey>& keys,
                  bool only_null, SqlWriter* out) const;
  // `only_null`: all rows whose leading value is NULL, and no others.
  SqlStatement Part(Shape shape, bool only_null) const;
  void AddParts(Shape shape, std::vector<SqlStatement>* parts) const;
  void AddWalk(std::vector<SqlStatement>* parts) const;

  const BoundSearch& search_;
  const EntitySchema& schema_;
  const SqlDialect& dialect_;
  PagePosition position_;
  bool plans_ = false;                           // see sql_dialect.h
  bool walks_ = false;                           // by the metric's index
  const BoundComparison* candidates_ = nullptr;  // or none
};

// Runs by their ids: the database finds them, whatever the order.
bool Generator::NamesRuns() const {
  for (const BoundComparison& c : search_.filter) {
    if (c.attribute != nullptr && c.attribute->unique &&
        (c.op == kEqual || c.op == kIn)) {
      return true;
    }
  }
  return false;
}

// The comparison whose rows an index holds together.
const BoundComparison* Generator::FindCandidates() const {
  const BoundComparison* found = nullptr;
  for (const BoundComparison& c : search_.filter) {
    if (c.collection == nullptr) continue;
    if (c.collection->field == Field::kTag && c.key == kParentTag &&
        c.op == kEqual) {
      return &c;
    }
    if (found == nullptr && c.collection->has_is_nan && c.op != kNotEqual) {
      found = &c;
    }
  }
  return found;
}

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
    const bool walks = i == 0 && IsWalk(shape);
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

// "d is a candidate", without the run that it belongs to.
void Generator::Candidates(SqlWriter* out) const {
  if (candidates_->collection->field == Field::kTag) {
    // The key is written out, as the index is of this key alone.
    out->Text("d.\"key\" = '", kParentTag, "' AND ",
              dialect_.TextEquals("d.value"));
    out->Bind(candidates_->values[0]);
    return;
  }
  out->Text(dialect_.TextEquals("d.\"key\""), " AND d.is_nan = ",
            dialect_.BooleanLiteral(false));
  out->BindText(candidates_->key);
  AppendMetricValue(*candidates_, "d", out);
}

void Generator::From(Shape shape, SqlWriter* out) const {
  // CROSS JOIN: SQLite keeps the order in which they stand.
  if (shape == Shape::kWalkNumbers || shape == Shape::kWalkNans) {
    out->Text(" FROM latest_metrics o0 CROSS JOIN runs e"
              " ON e.run_uuid = o0.run_uuid");
  } else if (shape == Shape::kCandidates) {
    out->Text(" FROM ", candidates_->collection->table,
              " d CROSS JOIN runs e ON e.run_uuid = d.run_uuid");
  } else {
    out->Text(" FROM ", schema_.table, " e");
  }
  for (size_t i = IsWalk(shape) ? 1 : 0; i < search_.order.size(); ++i) {
    OrderJoin(i, out);
  }
}

// The condition on what the statement begins with.
void Generator::Begin(Shape shape, SqlWriter* out) const {
  if (shape == Shape::kCandidates) {
    out->Text(" AND ");
    Candidates(out);
  } else if (shape == Shape::kWalkMissing) {
    out->Text(" AND NOT EXISTS (SELECT 1 FROM latest_metrics o0 WHERE ",
              OwnedByEntity("o0", schema_), " AND ",
              dialect_.TextEquals("o0.\"key\""), ")");
    out->BindText(search_.order[0].key);
  } else if (IsWalk(shape)) {
    out->Text(" AND ", dialect_.TextEquals("o0.\"key\""), " AND o0.is_nan = ",
              dialect_.BooleanLiteral(shape == Shape::kWalkNans));
    out->BindText(search_.order[0].key);
  }
}

void Generator::Filter(Shape shape, SqlWriter* out) const {
  // What is said of the metric that is walked is asked of its row. Of the NaNs
  // all hold, or there is no such statement.
  const auto done = [&](const BoundComparison& c) {
    if (shape == Shape::kCandidates) return &c == candidates_;
    if (!IsWalk(shape) || !ComparesWalked(c)) return false;
    if (shape == Shape::kWalkNumbers) AppendMetricValue(c, "o0", out);
    return true;
  };
  AppendFilter(search_.filter, done, schema_, search_.datasets, dialect_, out);
  if (search_.datasets.empty()) return;
  for (const BoundComparison& c : search_.filter) {
    if (c.collection != nullptr && c.collection->field == Field::kMetric) {
      return;
    }
  }
  out->Text(" AND EXISTS (SELECT 1 FROM logged_model_metrics c WHERE ",
            OwnedByEntity("c", schema_));
  AppendDatasets(search_.datasets, "c", dialect_, out);
  out->Text(")");
}

// Conditions of the whole statement, joined by AND.
void Generator::Guards(Shape shape, SqlWriter* out) const {
  const auto count = [out](std::string_view table) {
    out->Text("(SELECT COUNT(*) FROM (SELECT 1 FROM ", table, " WHERE ");
  };
  const auto compare = [out](bool up_to, int limit) {
    out->Text(" LIMIT ", limit + 1, "))", up_to ? " <= " : " > ", limit);
  };
  if (candidates_ != nullptr) {
    count(StrCat(candidates_->collection->table, " d"));
    Candidates(out);
    compare(shape == Shape::kCandidates, kCandidatesMax);
  }
  if (walks_ && shape != Shape::kCandidates) {
    if (candidates_ != nullptr) out->Text(" AND ");
    count("runs e");
    out->Append(Scope());
    compare(shape == Shape::kSort, kSortedRunsMax);
  }
}

void Generator::Limit(Shape shape, SqlWriter* out) const {
  if (walks_ || candidates_ != nullptr) {
    out->Text(" LIMIT CASE WHEN ");
    Guards(shape, out);
    out->Text(" THEN ? ELSE 0 END");
  } else {
    out->Text(" LIMIT ?");
  }
  // One more than the page: is there another page?
  out->Bind(search_.max_results + 1);
  if (by_offset()) out->Text(" OFFSET ?").Bind(position_.offset);
}

// Whether the rows behind the cursor are two statements: those with a leading
// value, in a range of its index, and those with NULL.
bool Generator::NullIsApart(Shape shape,
                            const std::vector<SortKey>& keys) const {
  if (position_.cursor.empty()) return false;
  if (shape != Shape::kSort && shape != Shape::kWalkMissing) return false;
  const SortKey& key = keys[Leading(keys)];
  return key.indexed && key.nullable &&
         !IsNull(position_.cursor[Leading(keys)]);
}

// Whether to find and sort the rows by what the index of runs holds, and to
// fetch those of the page alone. It is not worth it if all that are visited
// are of the page, or if they are few.
bool Generator::FetchesLate(Shape shape) const {
  if (!plans_ || NamesRuns()) return false;
  if (shape == Shape::kWalkMissing) return true;
  const AttributeSpec* first = search_.order[0].attribute;
  const bool in_order = first != nullptr && first->indexed;
  return shape == Shape::kSort && (!search_.filter.empty() || !in_order);
}

// " FROM ... LIMIT".
void Generator::AppendRows(Shape shape, const std::vector<SortKey>& keys,
                           bool only_null, SqlWriter* out) const {
  From(shape, out);
  out->Text(" WHERE ").Append(Scope());
  Begin(shape, out);
  Filter(shape, out);
  if (only_null) {
    out->Text(" AND ", keys[Leading(keys)].expression, " IS NULL");
  } else if (!position_.cursor.empty()) {
    AppendBehind(keys, position_.cursor, NullIsApart(shape, keys), out);
  }
  AppendOrderBy(keys, dialect_, out);
  Limit(shape, out);
}

SqlStatement Generator::Part(Shape shape, bool only_null) const {
  std::vector<SortKey> keys = Keys(shape);
  SqlWriter rows;
  if (FetchesLate(shape)) {
    // (SELECT id and sort values ...) k, to be joined with its rows.
    rows.Text(" FROM (SELECT e.run_uuid");
    for (size_t i = 0; i < keys.size(); ++i) {
      rows.Text(", ", keys[i].expression, " AS k", i);
    }
    AppendRows(shape, keys, only_null, &rows);
    rows.Text(") k CROSS JOIN runs e ON e.run_uuid = k.run_uuid");
    for (size_t i = 0; i < keys.size(); ++i) {
      keys[i].expression = StrCat("k.k", i);
    }
    AppendOrderBy(keys, dialect_, &rows);
  } else {
    AppendRows(shape, keys, only_null, &rows);
  }
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
  return out.Append(rows.statement()).Take();
}

void Generator::AddParts(Shape shape,
                         std::vector<SqlStatement>* parts) const {
  parts->push_back(Part(shape, /*only_null=*/false));
  if (NullIsApart(shape, Keys(shape))) {
    parts->push_back(Part(shape, /*only_null=*/true));
  }
}

// The three of the walk: a cursor is in one of them; those before it are over,
// those behind it are whole.
void Generator::AddWalk(std::vector<SqlStatement>* parts) const {
  bool compared = false;
  bool nans_match = true;
  for (const BoundComparison& c : search_.filter) {
    if (!ComparesWalked(c)) continue;
    compared = true;
    nans_match = nans_match && c.op == kNotEqual;
  }
  Generator whole = *this;
  whole.position_ = {};
  const int64_t rank = position_.cursor.empty()
                           ? 0
                           : std::get<int64_t>(position_.cursor[0]);
  const auto add = [&](int64_t number, Shape shape) {
    const Generator& from = number == rank ? *this : whole;
    if (number >= rank) from.AddParts(shape, parts);
  };
  add(0, Shape::kWalkNumbers);
  if (nans_match) add(1, Shape::kWalkNans);
  if (!compared) add(2, Shape::kWalkMissing);
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
  plans_ = schema_.entity == Entity::kRun && dialect_.FollowsPlans();
  if (plans_ && !by_offset() && !NamesRuns()) {
    walks_ = ByMetric();
    candidates_ = FindCandidates();
  }
  std::vector<SqlStatement> parts;
  if (candidates_ != nullptr) AddParts(Shape::kCandidates, &parts);
  AddParts(Shape::kSort, &parts);
  if (walks_) AddWalk(&parts);
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
