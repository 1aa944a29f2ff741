// Runs what storage/search generated, and reads one page of it.
#ifndef MILLSTREAM_STORAGE_SQL_PAGE_READER_H_
#define MILLSTREAM_STORAGE_SQL_PAGE_READER_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "storage/search/search.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// Calls `row` with each row of the page, whose first `columns` values are those
// that the search asked for. Returns the token of the next page; empty if there
// is none. Thread-safe. kInternal: the generated text does not run.
absl::StatusOr<std::string> ReadPage(
    Connection& connection, const search::SearchQuery& query, size_t columns,
    absl::FunctionRef<void(const Statement&)> row);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_PAGE_READER_H_
