#include "storage/search/sql_order.h"

#include <string_view>

namespace millstream::storage::search {
namespace {

// From key `index` on.
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

}  // namespace

size_t Leading(const std::vector<SortKey>& keys) {
  size_t leading = 0;
  while (keys[leading].constant) ++leading;
  return leading;
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

void AppendBehind(std::vector<SortKey> keys,
                  const std::vector<SqlValue>& cursor, bool null_is_apart,
                  SqlWriter* out) {
  const size_t leading = Leading(keys);
  SortKey& key = keys[leading];
  out->Text(" AND ");
  if (null_is_apart) key.nullable = false;
  if (key.indexed && !key.nullable) {
    // Says no more than the rest, but so that the index is entered there.
    out->Text(key.expression, key.ascending ? " >= ?" : " <= ?", " AND ");
    out->Bind(cursor[leading]);
  }
  Behind(keys, cursor, 0, out);
}

}  // namespace millstream::storage::search
