// "column IN (?, ?, ...)" for any number of values, with few distinct texts:
// lists are cut into chunks and padded to a size of a short row, so that their
// statements stay prepared.
#ifndef MILLSTREAM_STORAGE_SQL_IN_LIST_H_
#define MILLSTREAM_STORAGE_SQL_IN_LIST_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// Values in one statement; more are asked for in several.
inline constexpr size_t kInListMax = 1024;

// The size that a list of `count` values is padded to, <= kInListMax.
inline size_t PaddedInListSize(size_t count) {
  size_t size = 1;
  while (size < count) size *= 4;
  return std::min(size, kInListMax);
}

// What `map` has for `key`, or null. A database whose collation takes "M" and
// "m" for one name finds rows for a name in other letters than were asked for;
// those belong to nobody.
template <typename Map>
typename Map::mapped_type FindOrNull(const Map& map,
                                     const typename Map::key_type& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : found->second;
}

// Runs "<before> IN (...)<after>" for each chunk of `values` (a random access
// range of what Statement::Bind takes) and calls `row` with each row. Values
// are bound first, so `before` has no placeholders; `extra` is bound to those
// of `after`.
template <typename Values, typename... Extra>
absl::Status ForEachRowIn(Connection& connection, std::string_view before,
                          const Values& values, std::string_view after,
                          absl::FunctionRef<void(const Statement&)> row,
                          const Extra&... extra) {
  for (size_t begin = 0; begin < values.size(); begin += kInListMax) {
    const size_t count = std::min(values.size() - begin, kInListMax);
    const size_t padded = PaddedInListSize(count);
    ASSIGN_OR_RETURN(
        StatementPtr statement,
        connection.Prepare(StrCat(before, " IN (", Placeholders(padded), ")",
                                  after)));
    int index = 0;
    for (size_t i = 0; i < padded; ++i) {
      // A value twice in the list selects its rows once.
      statement->Bind(++index, values[begin + std::min(i, count - 1)]);
    }
    (statement->Bind(++index, extra), ...);
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, statement->Step());
      if (!more) break;
      row(*statement);
    }
  }
  return absl::OkStatus();
}

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_IN_LIST_H_
