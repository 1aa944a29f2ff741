// Columns of rows as PostgreSQL writes arrays.
#ifndef MILLSTREAM_STORAGE_POSTGRES_ARRAY_TEXT_H_
#define MILLSTREAM_STORAGE_POSTGRES_ARRAY_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "storage/sql/database.h"

namespace millstream::storage::postgres {

// `{"a","b",NULL}`: column `column` of rows that are `width` cells wide, and in
// *type the type of its elements; TEXT if all are NULL. Thread-safe.
std::string ArrayText(absl::Span<const sql::Cell> cells, size_t column,
                      size_t width, std::string_view* type);

}  // namespace millstream::storage::postgres

#endif  // MILLSTREAM_STORAGE_POSTGRES_ARRAY_TEXT_H_
