#include "storage/sql/page_reader.h"

#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/status_macros.h"

namespace millstream::storage::sql {

// What search binds is what a statement takes.
static_assert(std::is_same_v<search::SqlValue, Value>);

absl::StatusOr<std::string> ReadPage(
    Connection& connection, const search::SearchQuery& query, size_t columns,
    absl::FunctionRef<void(const Statement&)> row) {
  int64_t kept = 0;
  std::vector<Value> cursor;
  for (const search::SqlStatement& part : query.parts()) {
    ASSIGN_OR_RETURN(StatementPtr statement, connection.Prepare(part.text));
    statement->BindValues(part.bindings);
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, statement->Step());
      if (!more) break;
      // One row past the page: there is a next one, after the last row kept.
      if (kept == query.max_results()) return query.NextPageToken(cursor);
      row(*statement);
      ++kept;
      if (kept == query.max_results()) {
        for (int i = 0; i < query.cursor_columns(); ++i) {
          cursor.push_back(statement->Get(static_cast<int>(columns) + i));
        }
      }
    }
  }
  return std::string();
}

}  // namespace millstream::storage::sql
