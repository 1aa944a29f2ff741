// Runs what storage/search generated, and reads one page of it.
#ifndef MILLSTREAM_STORAGE_SQL_PAGE_READER_H_
#define MILLSTREAM_STORAGE_SQL_PAGE_READER_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "storage/search/search.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// All functions are thread-safe.

// Calls `row` with each row of the page, whose first `columns` values are those
// that the search asked for. Returns the token of the next page; empty if there
// is none. kInternal: the generated text does not run.
absl::StatusOr<std::string> ReadPage(
    Connection& connection, const search::SearchQuery& query, size_t columns,
    absl::FunctionRef<void(const Statement&)> row);

// Answers a search: on one snapshot calls `row` with each row of the page, its
// first values those of `columns`, sets the response's next_page_token if there
// is one, and has `load_parts` load what other tables hold. A max_results below
// 0 asks for no row and for the token of the first page. Errors are those of
// `build`, one of storage/search/search.h.
template <typename Request, typename Response>
absl::Status SearchPage(
    Database& database, const Request& request,
    absl::Span<const std::string_view> columns,
    absl::StatusOr<search::SearchQuery> (*build)(const Request&,
                                                 const search::SqlDialect&),
    const search::SqlDialect& dialect,
    absl::FunctionRef<void(const Statement&)> row,
    absl::FunctionRef<absl::Status(Connection&)> load_parts,
    Response* response) {
  Request with_columns = request;
  with_columns.columns.assign(columns.begin(), columns.end());
  with_columns.max_results = std::max<int64_t>(request.max_results, 0);
  ASSIGN_OR_RETURN(const search::SearchQuery query,
                   build(with_columns, dialect));
  if (request.max_results < 0) {
    response->set_next_page_token(query.NextPageToken({}));
    return absl::OkStatus();
  }
  const auto read = [&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(std::string next_page_token,
                     ReadPage(connection, query, columns.size(), row));
    if (!next_page_token.empty()) {
      response->set_next_page_token(std::move(next_page_token));
    }
    return load_parts(connection);
  };
  return database.ReadFor(*request.caller, read);
}

// The messages of a page, as loaders of parts take them.
template <typename Message>
std::vector<Message*> PointersTo(
    google::protobuf::RepeatedPtrField<Message>* messages) {
  return std::vector<Message*>(messages->pointer_begin(),
                               messages->pointer_end());
}

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_PAGE_READER_H_
