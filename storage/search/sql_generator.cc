#include "storage/search/sql_generator.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/search/page_token.h"
#include "storage/search/search_plan.h"
#include "storage/search/sql_filter.h"
#include "storage/search/sql_order.h"

namespace millstream::storage::search {

// The one that may fill in a SearchQuery.
class SearchQueryBuilder {
 public:
  static SearchQuery Make(std::vector<SearchWay> ways,
                          const BoundSearch& search, size_t cursor_columns,
                          int64_t offset) {
    SearchQuery query;
    query.ways_ = std::move(ways);
    query.max_results_ = search.max_results;
    query.cursor_columns_ = static_cast<int>(cursor_columns);
    query.fingerprint_ = search.fingerprint;
    query.next_offset_ = offset + search.max_results;
    return query;
  }
};

namespace {

using Experiments = absl::Span<const int64_t>;

// Columns of a run that the rows of its values repeat.
bool IsRepeated(std::string_view column) {
  return column == "run_uuid" || column == "start_time";
}

// Numbers or text, then NaN, then none.
int64_t Rank(const Entry& entry) {
  return static_cast<int64_t>(entry.kind) -
         static_cast<int64_t>(Entry::Kind::kValues);
}

CursorType TypeOf(const AttributeSpec& attribute) {
  return attribute.type == ValueType::kText ? CursorType::kText
                                            : CursorType::kInteger;
}

class Generator {
 public:
  Generator(const BoundSearch& search, const SqlDialect& dialect)
      : search_(search),
        schema_(*search.schema),
        dialect_(dialect),
        plans_(schema_.entity == Entity::kRun && dialect.FollowsPlans()) {}

  absl::StatusOr<SearchQuery> Run();

 private:
  bool by_offset() const {
    return position_.offset > 0 && position_.cursor.empty();
  }
  bool InOrder(const Entry& entry) const {
    return !by_offset() && !names_runs_ && IsInOrder(entry, search_);
  }

  std::vector<SortKey> Keys(const Entry& entry) const;
  void AddMetricRank(const Entry& entry, bool is_entry,
                     std::string_view table, std::vector<SortKey>* keys) const;

  SqlStatement Greatest(const Entry& entry) const;
  void Scope(const Entry& entry, Experiments experiments,
             SqlWriter* out) const;
  void From(const Entry& entry, SqlWriter* out) const;
  void OrderJoin(size_t index, SqlWriter* out) const;
  void KeyOf(const Entry& entry, std::string_view alias, SqlWriter* out) const;
  void Begin(const Entry& entry, SqlWriter* out) const;
  void Filter(const Entry& entry, Slice slice, SqlWriter* out) const;
  bool FetchesLate(const Entry& entry) const;
  void Rows(const Entry& entry, Slice slice, Experiments experiments,
            std::vector<SortKey>* keys, SqlWriter* out) const;
  void Limit(SqlWriter* out) const;
  SqlStatement Late(const Entry& entry, Slice slice) const;
  SqlStatement Plain(const Entry& entry, Slice slice) const;
  SqlStatement Probe(const Entry& entry) const;
  void AddParts(const Entry& entry, std::vector<SqlStatement>* parts) const;
  SearchWay MakeWay(const Way& way) const;

  const BoundSearch& search_;
  const EntitySchema& schema_;
  const SqlDialect& dialect_;
  const bool plans_;  // see sql_dialect.h
  bool names_runs_ = false;
  PagePosition position_;
};

// In both directions.
void Generator::AddMetricRank(const Entry& entry, bool is_entry,
                              std::string_view table,
                              std::vector<SortKey>* keys) const {
  SortKey rank;
  rank.nullable = false;
  rank.constant = is_entry;
  if (!is_entry) {
    rank.expression =
        StrCat("CASE WHEN ", table, ".is_nan = ", dialect_.BooleanLiteral(true),
               " THEN 1 WHEN ", table, ".value IS NULL THEN 2 ELSE 0 END");
  } else {
    rank.expression = StrCat(Rank(entry));
  }
  keys->push_back(std::move(rank));
}

std::vector<SortKey> Generator::Keys(const Entry& entry) const {
  std::vector<SortKey> keys;
  for (size_t i = 0; i < search_.order.size(); ++i) {
    const BoundOrder& order = search_.order[i];
    SortKey key;
    key.ascending = order.ascending;
    if (order.attribute != nullptr) {
      const std::string_view column = order.attribute->column;
      key.expression = StrCat(
          entry.has_values() && IsRepeated(column) ? "d." : "e.", column);
      key.nullable = order.attribute->nullable;
      key.indexed = order.attribute->indexed;
      key.type = TypeOf(*order.attribute);
      keys.push_back(std::move(key));
      continue;
    }
    const bool is_entry = entry.IsOf(order.collection, order.key);
    const bool is_missing = is_entry && !entry.has_values();
    const std::string table = is_entry ? "d" : StrCat("o", i);
    if (order.collection->has_is_nan) {
      AddMetricRank(entry, is_entry, table, &keys);
    }
    key.expression = is_missing
                         ? "NULL"
                         : StrCat(table, ".", order.collection->value_column);
    key.type = order.collection->field == Field::kMetric ? CursorType::kReal
                                                         : CursorType::kText;
    key.nullable = !is_entry || is_missing;
    key.indexed = is_entry;
    key.constant = is_entry && entry.kind != Entry::Kind::kValues;
    if (is_entry && !key.constant && !key.ascending && i == 0) {
      key.greatest = Greatest(entry);
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

// See SortKey. Orders of several experiments are merged, each from its own.
SqlStatement Generator::Greatest(const Entry& entry) const {
  SqlWriter out;
  if (search_.experiment_ids.size() != 1) return out.Take();
  out.Text("SELECT MAX(n.value) FROM ", entry.collection->table,
           " n WHERE n.experiment_id = ?");
  out.Bind(search_.experiment_ids[0]);
  KeyOf(entry, "n", &out);
  for (const BoundComparison& c : search_.filter) {
    if (entry.IsOf(c.collection, c.key) && c.op != kIsNull) {
      AppendValue(c, "n", dialect_, &out);
    }
  }
  return out.Take();
}

void Generator::Scope(const Entry& entry, Experiments experiments,
                      SqlWriter* out) const {
  switch (schema_.entity) {
    case Entity::kRun:
    case Entity::kExperiment:
      out->Text(search_.view == ViewType::kActiveOnly
                    ? "e.lifecycle_stage = 'active'"
                : search_.view == ViewType::kDeletedOnly
                    ? "e.lifecycle_stage = 'deleted'"
                    : "e.lifecycle_stage IN ('active', 'deleted')");
      break;
    case Entity::kRegisteredModel:
      out->Text("e.workspace = ?").BindText(search_.workspace);
      break;
    case Entity::kModelVersion:
      out->Text("e.workspace = ?").BindText(search_.workspace);
      out->Text(" AND e.current_stage <> 'Deleted_Internal'");
      break;
    case Entity::kLoggedModel:
      out->Text("e.lifecycle_stage <> 'deleted'");
      break;
  }
  if (schema_.entity != Entity::kRun &&
      schema_.entity != Entity::kLoggedModel) {
    return;
  }
  if (experiments.empty()) {
    out->Text(" AND 1 = 0");
    return;
  }
  out->Text(" AND ", entry.has_values() ? "d" : "e", ".experiment_id IN (");
  out->List(experiments).Text(")");
}

// Joins the value to order by; at most one row for each entity.
void Generator::OrderJoin(size_t index, SqlWriter* out) const {
  const BoundOrder& order = search_.order[index];
  const std::string table = StrCat("o", index);
  const std::string owned = OwnedByEntity(table, schema_);
  out->Text(" LEFT JOIN ", order.collection->table, " ", table, " ON ", owned);
  if (schema_.entity != Entity::kLoggedModel) {
    out->Text(" AND ", KeyEquals(StrCat(table, ".\"key\"")));
    out->BindText(order.key);
    return;
  }
  // The latest of the points that a logged model has of its metric.
  out->Text(" AND ", KeyEquals(StrCat(table, ".metric_name")),
            " AND (", table, ".metric_timestamp_ms, ", table,
            ".metric_step, ", table, ".run_id) = "
            "(SELECT p.metric_timestamp_ms, p.metric_step, p.run_id "
            "FROM logged_model_metrics p WHERE ",
            OwnedByEntity("p", schema_), " AND ",
            KeyEquals("p.metric_name"));
  out->BindText(order.key).BindText(order.key);
  if (!order.dataset_name.empty()) {
    out->Text(" AND ", KeyEquals("p.dataset_name"));
    out->BindText(order.dataset_name);
  }
  if (!order.dataset_digest.empty()) {
    out->Text(" AND ", KeyEquals("p.dataset_digest"));
    out->BindText(order.dataset_digest);
  }
  out->Text(" ORDER BY p.metric_timestamp_ms DESC, p.metric_step DESC, "
            "p.run_id LIMIT 1)");
}

void Generator::From(const Entry& entry, SqlWriter* out) const {
  if (entry.has_values()) {
    // CROSS JOIN: SQLite keeps the order in which they stand.
    out->Text(" FROM ", entry.collection->table,
              " d CROSS JOIN runs e ON e.run_uuid = d.run_uuid");
  } else {
    out->Text(" FROM ", schema_.table, " e");
    if (entry.attribute != nullptr && !search_.experiment_ids.empty()) {
      out->Text(" INDEXED BY ", entry.attribute->index);
    }
  }
  for (size_t i = 0; i < search_.order.size(); ++i) {
    const BoundOrder& order = search_.order[i];
    if (order.collection != nullptr &&
        !entry.IsOf(order.collection, order.key)) {
      OrderJoin(i, out);
    }
  }
}

// " AND <alias is a row of the entry's key>".
void Generator::KeyOf(const Entry& entry, std::string_view alias,
                      SqlWriter* out) const {
  out->Text(" AND ", KeyEquals(StrCat(alias, ".\"key\"")));
  out->BindText(entry.key);
  if (entry.collection->has_is_nan) {
    out->Text(" AND ", alias, ".is_nan = ",
              dialect_.BooleanLiteral(entry.kind == Entry::Kind::kNans));
  }
}

// The condition on what the statement begins with.
void Generator::Begin(const Entry& entry, SqlWriter* out) const {
  switch (entry.kind) {
    case Entry::Kind::kTable:
      return;
    case Entry::Kind::kMissing:
      out->Text(" AND NOT EXISTS (SELECT 1 FROM ", entry.collection->table,
                " d WHERE d.run_uuid = e.run_uuid AND ",
                KeyEquals("d.\"key\""), ")");
      out->BindText(entry.key);
      return;
    case Entry::Kind::kValues:
      return KeyOf(entry, "d", out);
    case Entry::Kind::kNans:
      KeyOf(entry, "d", out);
      // Kept with the value 0: said so that the index goes on in order.
      out->Text(" AND d.value = 0");
      return;
  }
}

void Generator::Filter(const Entry& entry, Slice slice,
                       SqlWriter* out) const {
  // What is said of the key that the statement begins with is asked of its row.
  // Of NaNs all of it holds, or there is no such statement. If the statement is
  // about one value, whose rows come in order, "+" keeps SQLite from entering
  // the index by the comparison instead, as a range that it has to sort.
  const bool is_one_value = slice == Slice::kTies || slice == Slice::kNext;
  const auto done = [&](const BoundComparison& c) {
    if (!entry.has_values() || c.collection == nullptr || c.op == kIsNull ||
        !entry.IsOf(c.collection, c.key)) {
      return false;
    }
    if (entry.kind == Entry::Kind::kValues) {
      AppendValue(c, is_one_value ? "+d" : "d", dialect_, out);
    }
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

void Generator::Limit(SqlWriter* out) const {
  // One more than the page: is there another page?
  out->Text(" LIMIT ?").Bind(search_.max_results + 1);
  if (by_offset()) out->Text(" OFFSET ?").Bind(position_.offset);
}

// " FROM ... WHERE ...", without order and limit.
void Generator::Rows(const Entry& entry, Slice slice, Experiments experiments,
                     std::vector<SortKey>* keys, SqlWriter* out) const {
  From(entry, out);
  out->Text(" WHERE ");
  Scope(entry, experiments, out);
  Begin(entry, out);
  Filter(entry, slice, out);
  AppendSlice(slice, position_.cursor, keys, out);
}

// Whether to find and sort the rows by what an index holds of them, and to
// fetch those of the page alone. It is not worth it if all that are visited
// are of the page.
bool Generator::FetchesLate(const Entry& entry) const {
  if (!plans_ || names_runs_) return false;
  if (!InOrder(entry) || search_.experiment_ids.size() > 1) return true;
  return !entry.has_values() &&
         (!search_.filter.empty() || entry.kind == Entry::Kind::kMissing);
}

// (SELECT id and sort values ... [UNION ALL ...]) k, to be joined with its
// rows.
SqlStatement Generator::Late(const Entry& entry, Slice slice) const {
  const Experiments all(search_.experiment_ids);
  const bool merges =
      InOrder(entry) && all.size() > 1 && all.size() <= kMergedExperimentsMax;
  std::vector<SortKey> keys;
  SqlWriter rows;
  for (size_t i = 0; i < (merges ? all.size() : 1); ++i) {
    keys = Keys(entry);
    SqlWriter from;
    Rows(entry, slice, merges ? all.subspan(i, 1) : all, &keys, &from);
    rows.Text(i == 0 ? "SELECT e.run_uuid" : " UNION ALL SELECT e.run_uuid");
    for (size_t k = 0; k < keys.size(); ++k) {
      rows.Text(", ", keys[k].expression, " AS k", k);
    }
    rows.Append(from.statement());
  }
  std::vector<SortKey> inner = keys;
  if (merges) {
    for (size_t i = 0; i < keys.size(); ++i) {
      inner[i].expression = StrCat("k", i);
    }
  }
  AppendOrderBy(inner, dialect_, &rows);
  Limit(&rows);

  SqlWriter out;
  std::string_view separator = "SELECT ";
  for (const std::string_view column : search_.columns) {
    out.Text(separator, "e.", column);
    separator = ", ";
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    keys[i].expression = StrCat("k.k", i);
    out.Text(separator, keys[i].expression);
    separator = ", ";
  }
  out.Text(" FROM (").Append(rows.statement());
  out.Text(") k CROSS JOIN runs e ON e.run_uuid = k.run_uuid");
  AppendOrderBy(keys, dialect_, &out);
  return out.Take();
}

SqlStatement Generator::Plain(const Entry& entry, Slice slice) const {
  std::vector<SortKey> keys = Keys(entry);
  SqlWriter rows;
  Rows(entry, slice, search_.experiment_ids, &keys, &rows);
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
  out.Append(rows.statement());
  AppendOrderBy(keys, dialect_, &out);
  Limit(&out);
  return out.Take();
}

// Counts what the entry alone would visit; runs of other stages count as well.
SqlStatement Generator::Probe(const Entry& entry) const {
  SqlWriter out;
  out.Text("SELECT COUNT(*) FROM (SELECT 1 FROM ");
  if (entry.has_values()) {
    out.Text(entry.collection->table, " d WHERE d.experiment_id IN (");
  } else {
    out.Text("runs e INDEXED BY ", entry.attribute->index,
             " WHERE e.experiment_id IN (");
  }
  out.List(search_.experiment_ids).Text(")");
  Begin(entry, &out);
  for (const BoundComparison& c : search_.filter) {
    if (entry.has_values() && entry.IsOf(c.collection, c.key) &&
        c.op != kIsNull) {
      AppendValue(c, "d", dialect_, &out);
    }
    if (!entry.has_values() && c.attribute == entry.attribute &&
        c.op == kEqual) {
      out.Text(" AND ", dialect_.TextEquals(StrCat("e.", c.attribute->column)));
      out.Bind(c.values[0]);
    }
  }
  out.Text(" LIMIT ", kFewRowsMax + 1, ")");
  return out.Take();
}

// What the entry has behind the cursor. A metric's cursor is in one of numbers,
// NaNs and none: those before it are over, those behind it are whole.
void Generator::AddParts(const Entry& entry,
                         std::vector<SqlStatement>* parts) const {
  Generator from = *this;
  if (entry.kind != Entry::Kind::kTable && !position_.cursor.empty() &&
      entry.IsOf(search_.order[0].collection, search_.order[0].key)) {
    const bool is_metric = entry.collection->has_is_nan;
    const bool was_null =
        std::holds_alternative<std::monostate>(position_.cursor[0]);
    const int64_t rank = is_metric ? std::get<int64_t>(position_.cursor[0])
                         : was_null ? 2
                                    : 0;
    if (Rank(entry) < rank) return;
    if (Rank(entry) > rank) from.position_ = {};
  }
  std::vector<Slice> slices = {Slice::kAll};
  if (from.InOrder(entry)) {
    slices = SlicesBehind(from.Keys(entry), from.position_.cursor);
  }
  for (const Slice slice : slices) {
    parts->push_back(FetchesLate(entry) ? from.Late(entry, slice)
                                        : from.Plain(entry, slice));
  }
}

SearchWay Generator::MakeWay(const Way& way) const {
  SearchWay made;
  if (way.is_probed) made.probe = Probe(way.entries[0]);
  for (const Entry& entry : way.entries) AddParts(entry, &made.parts);
  return made;
}

absl::StatusOr<SearchQuery> Generator::Run() {
  const std::vector<SortKey> keys = Keys(Entry());
  if (!search_.page_token.empty()) {
    std::vector<CursorColumn> columns;
    for (const SortKey& key : keys) columns.push_back({key.type, key.nullable});
    ASSIGN_OR_RETURN(position_,
                     DecodePageToken(search_.page_token, search_.fingerprint,
                                     columns));
  }
  names_runs_ = plans_ && NamesRuns(search_);
  std::vector<Way> plan = {Way{.entries = {Entry()}}};
  if (plans_ && !by_offset() && !search_.experiment_ids.empty()) {
    plan = PlanRuns(search_);
  }
  std::vector<SearchWay> ways;
  for (const Way& way : plan) ways.push_back(MakeWay(way));
  return SearchQueryBuilder::Make(std::move(ways), search_, keys.size(),
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
