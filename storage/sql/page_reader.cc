#include "storage/sql/page_reader.h"

#include <cstdint>
#include <type_traits>
#include <vector>

#include "base/status_macros.h"

namespace millstream::storage::sql {
namespace {

// What search binds is what a statement takes.
static_assert(std::is_same_v<search::SqlValue, Value>);

absl::StatusOr<bool> FindsFew(Connection& connection,
                              const search::SqlStatement& probe) {
  ASSIGN_OR_RETURN(StatementPtr statement, connection.Prepare(probe.text));
  statement->BindValues(probe.bindings);
  ASSIGN_OR_RETURN(const bool found, statement->Step());
  return found && statement->Int64(0) <= search::kFewRowsMax;
}

absl::StatusOr<const search::SearchWay*> ChooseWay(
    Connection& connection, const search::SearchQuery& query) {
  for (const search::SearchWay& way : query.ways()) {
    if (way.probe.text.empty()) return &way;
    ASSIGN_OR_RETURN(const bool few, FindsFew(connection, way.probe));
    if (few) return &way;
  }
  return absl::InternalError("a search without a last way");
}

}  // namespace

absl::StatusOr<std::string> ReadPage(
    Connection& connection, const search::SearchQuery& query, size_t columns,
    absl::FunctionRef<void(const Statement&)> row) {
  ASSIGN_OR_RETURN(const search::SearchWay* way, ChooseWay(connection, query));
  int64_t kept = 0;
  std::vector<Value> cursor;
  for (const search::SqlStatement& part : way->parts) {
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
