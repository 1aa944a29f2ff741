// Bound comparisons as SQL conditions on one row of the entity's table, whose
// alias is e. Rows of other tables are asked for with EXISTS, so a condition
// never multiplies or copies rows, and costs a lookup by key for each row that
// the search visits, however many rows would match. Thread-safe.
#ifndef MILLSTREAM_STORAGE_SEARCH_SQL_FILTER_H_
#define MILLSTREAM_STORAGE_SEARCH_SQL_FILTER_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/str_cat.h"
#include "storage/search/search.h"
#include "storage/search/semantics.h"
#include "storage/search/sql_dialect.h"

namespace millstream::storage::search {

// Puts text and values together; values in the order of their "?".
class SqlWriter {
 public:
  template <typename... Args>
  SqlWriter& Text(const Args&... args) {
    StrAppend(&statement_.text, args...);
    return *this;
  }
  // Only the value; its "?" is in some Text before.
  // Not inline: there GCC 12 warns of a value that it thinks uninitialised.
  SqlWriter& Bind(SqlValue value);
  SqlWriter& BindText(std::string_view value) {
    return Bind(SqlValue(std::string(value)));
  }
  SqlWriter& Append(const SqlStatement& other) {
    statement_.text += other.text;
    statement_.bindings.insert(statement_.bindings.end(),
                               other.bindings.begin(), other.bindings.end());
    return *this;
  }
  // "?, ?, ?" with values.
  template <typename Values>
  SqlWriter& List(const Values& values) {
    std::string_view separator;
    for (const auto& value : values) {
      Text(separator, "?");
      Bind(SqlValue(value));
      separator = ", ";
    }
    return *this;
  }

  const SqlStatement& statement() const { return statement_; }
  SqlStatement Take() { return std::move(statement_); }

 private:
  SqlStatement statement_;
};

// Appends " AND <condition>" for each comparison but those of which `done` says
// that they hold already. Conditions on metrics of logged models count metrics
// on one of `datasets` only, if there are any.
void AppendFilter(const std::vector<BoundComparison>& filter,
                  absl::FunctionRef<bool(const BoundComparison&)> done,
                  const EntitySchema& schema,
                  const std::vector<LoggedModelSearch::Dataset>& datasets,
                  const SqlDialect& dialect, SqlWriter* out);

// Appends " AND <alias.value compares>" for a comparison with a metric, param
// or tag of a run, whose row is <alias> and no NaN.
void AppendValue(const BoundComparison& comparison, std::string_view alias,
                 const SqlDialect& dialect, SqlWriter* out);

// Appends " AND (<alias is a metric on one of these datasets>)".
void AppendDatasets(const std::vector<LoggedModelSearch::Dataset>& datasets,
                    std::string_view alias, const SqlDialect& dialect,
                    SqlWriter* out);

// The condition that `column` holds this key. As the database itself tells keys
// apart: one that takes "LR" and "lr" for one key has a row for one of them.
inline std::string KeyEquals(std::string_view column) {
  return StrCat(column, " = ?");
}

// "<alias>.a = e.a AND <alias>.b = e.b" for the columns that name an entity.
std::string OwnedByEntity(std::string_view alias, const EntitySchema& schema);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_SQL_FILTER_H_
