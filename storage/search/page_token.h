// Page tokens: the place in an order where the next page begins, bound to its
// query. Opaque to callers; nothing in them is trusted.
//
// A token is base64 (web-safe) of
//   1 byte    format, 1
//   varint    rows on the pages before
//   varint    number of values; 0: go on by that number of rows
//   values    1 byte kind (0 NULL, 1 integer, 2 real, 3 text), then nothing,
//             8 bytes little-endian, 8 bytes IEEE 754 little-endian, or varint
//             length and bytes
//   8 bytes   hash of the query's fingerprint and all of the above
// Tokens do not outlive a change of this format, as MLflow's do not promise to.
#ifndef MILLSTREAM_STORAGE_SEARCH_PAGE_TOKEN_H_
#define MILLSTREAM_STORAGE_SEARCH_PAGE_TOKEN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/search/search.h"

namespace millstream::storage::search {

enum class CursorType : uint8_t { kInteger = 1, kReal = 2, kText = 3 };

struct CursorColumn {
  CursorType type = CursorType::kInteger;
  bool nullable = true;
};

struct PagePosition {
  int64_t offset = 0;  // rows before
  // Sort values of the last of these rows; empty: go by the offset.
  std::vector<SqlValue> cursor;
};

// What makes two searches the same: feed it everything but page and page size.
// Stable over processes and machines. FNV-1a, 64 bits.
class Fingerprint {
 public:
  void Add(std::string_view bytes);
  void Add(uint64_t number);
  uint64_t value() const { return value_; }

 private:
  void AddByte(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
  uint64_t value_ = 0xcbf29ce484222325;
};

// A token of at most limits::kPageTokenBytesMax; goes by the offset if the
// cursor does not fit.
std::string EncodePageToken(uint64_t fingerprint, const PagePosition& position);

// INVALID_PARAMETER_VALUE: not a token, of another query, changed, or too long.
// A cursor in the result has these columns' types.
absl::StatusOr<PagePosition> DecodePageToken(
    std::string_view token, uint64_t fingerprint,
    absl::Span<const CursorColumn> columns);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_PAGE_TOKEN_H_
