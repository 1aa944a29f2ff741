// From text to tree.
//
//   filter     = { comparison | AND }
//   comparison = name operator value | name [NOT] IN list | name IS [NOT] NULL
//   operator   = < <= > >= = != LIKE ILIKE  (others are names, refused later)
//   value      = number | string | name
//   list       = "(" [ value { "," value } [","] ] ")"
//   order      = name [ASC | DESC]
//
// AND is a mere separator, as in MLflow: it may lack, lead and trail.
//
// Errors are INVALID_PARAMETER_VALUE and name the column. Size limits are those
// of base/limits.h, checked before or while the text is read; there is no
// recursion. Trees borrow the text. Thread-safe.
#ifndef MILLSTREAM_STORAGE_SEARCH_PARSER_H_
#define MILLSTREAM_STORAGE_SEARCH_PARSER_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "storage/search/filter_ast.h"

namespace millstream::storage::search {

// An empty text is an empty filter; one of blanks alone is an error.
// `loose_names`: see lexer.h.
absl::StatusOr<Filter> ParseFilter(std::string_view text,
                                   bool loose_names = false);

absl::StatusOr<OrderTerm> ParseOrderTerm(std::string_view text);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_PARSER_H_
