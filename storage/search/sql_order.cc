#include "storage/search/sql_order.h"

#include <cstdint>
#include <limits>
#include <string_view>

namespace millstream::storage::search {
namespace {

bool IsNull(const SqlValue& value) {
  return std::holds_alternative<std::monostate>(value);
}

// The first key that is not the same in all rows.
size_t Leading(const std::vector<SortKey>& keys) {
  size_t leading = 0;
  while (keys[leading].constant) ++leading;
  return leading;
}

// "<the row sorts behind the cursor>", by the keys from `index` on.
void Behind(const std::vector<SortKey>& keys,
            const std::vector<SqlValue>& cursor, size_t index,
            SqlWriter* out) {
  const SortKey& key = keys[index];
  const SqlValue& value = cursor[index];
  const bool last = index + 1 == keys.size();
  if (key.constant && !last) return Behind(keys, cursor, index + 1, out);
  if (IsNull(value)) {
    // NULL is last: there is only more of it behind.
    if (last) {
      out->Text("1 = 0");
      return;
    }
    out->Text("(", key.expression, " IS NULL AND ");
    Behind(keys, cursor, index + 1, out);
    out->Text(")");
    return;
  }
  out->Text("(", key.expression, key.ascending ? " > ?" : " < ?").Bind(value);
  if (key.nullable) out->Text(" OR ", key.expression, " IS NULL");
  if (!last) {
    out->Text(" OR (", key.expression, " = ? AND ").Bind(value);
    Behind(keys, cursor, index + 1, out);
    out->Text(")");
  }
  out->Text(")");
}

// A value that none of the type is less than: databases enter an index there,
// which "IS NOT NULL" does not tell them to.
SqlValue Least(CursorType type) {
  switch (type) {
    case CursorType::kInteger:
      return std::numeric_limits<int64_t>::min();
    case CursorType::kReal:
      return -std::numeric_limits<double>::max();
    case CursorType::kText:
      break;
  }
  return std::string();
}

}  // namespace

std::vector<Slice> SlicesBehind(const std::vector<SortKey>& keys,
                                const std::vector<SqlValue>& cursor) {
  const size_t leading = Leading(keys);
  const SortKey& key = keys[leading];
  if (!key.indexed) return {Slice::kAll};
  const bool by_value = !key.greatest.text.empty();
  if (cursor.empty()) {
    if (by_value) return {Slice::kNext, Slice::kRest};
    // An index that ascends begins with NULL.
    if (key.nullable && key.ascending) return {Slice::kBeyond, Slice::kNulls};
    return {Slice::kAll};
  }
  if (IsNull(cursor[leading])) return {Slice::kAll};
  std::vector<Slice> slices;
  if (leading + 1 < keys.size()) slices.push_back(Slice::kTies);
  if (by_value) {
    slices.insert(slices.end(), {Slice::kNext, Slice::kRest});
  } else {
    slices.push_back(Slice::kBeyond);
  }
  if (key.nullable) slices.push_back(Slice::kNulls);
  return slices;
}

void AppendSlice(Slice slice, const std::vector<SqlValue>& cursor,
                 std::vector<SortKey>* keys, SqlWriter* out) {
  const size_t leading = Leading(*keys);
  SortKey& key = (*keys)[leading];
  switch (slice) {
    case Slice::kAll:
      if (cursor.empty()) return;
      out->Text(" AND ");
      Behind(*keys, cursor, 0, out);
      return;
    case Slice::kTies:
      out->Text(" AND ", key.expression, " = ? AND ").Bind(cursor[leading]);
      key.constant = true;
      Behind(*keys, cursor, leading + 1, out);
      return;
    case Slice::kNext:
    case Slice::kRest:
      out->Text(" AND ", key.expression,
                slice == Slice::kNext ? " = (" : " < (");
      out->Append(key.greatest);
      if (!cursor.empty()) out->Text(" AND n.value < ?").Bind(cursor[leading]);
      out->Text(")");
      key.constant = slice == Slice::kNext;
      return;
    case Slice::kBeyond:
      key.nullable = false;
      if (cursor.empty()) {
        out->Text(" AND ", key.expression, " >= ?").Bind(Least(key.type));
      } else {
        out->Text(" AND ", key.expression, key.ascending ? " > ?" : " < ?");
        out->Bind(cursor[leading]);
      }
      return;
    case Slice::kNulls:
      out->Text(" AND ", key.expression, " IS NULL");
      key.constant = true;
      return;
  }
}

void AppendOrderBy(const std::vector<SortKey>& keys, const SqlDialect& dialect,
                   SqlWriter* out) {
  std::string_view separator = " ORDER BY ";
  for (const SortKey& key : keys) {
    if (key.constant) continue;
    out->Text(separator,
              key.nullable
                  ? dialect.OrderNullsLast(key.expression, key.ascending)
                  : StrCat(key.expression, key.ascending ? "" : " DESC"));
    separator = ", ";
  }
}

}  // namespace millstream::storage::search
