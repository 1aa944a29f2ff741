// Conditional and partial requests, for whatever is sent as a file.
#ifndef MILLSTREAM_GATEWAY_FILE_RANGE_H_
#define MILLSTREAM_GATEWAY_FILE_RANGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http_message.h"

namespace millstream::gateway {

// All functions are thread-safe.

// Whether a caller that sent If-None-Match or If-Modified-Since has the file
// with `etag` (in quotes) and `modified_ms` already, so that 304 will do. Empty
// and absent ones match nothing.
bool IsUnchanged(const RequestHead& head, std::string_view etag,
                 std::optional<int64_t> modified_ms);

struct ByteRange {
  int64_t begin;
  // Behind the last.
  int64_t end;
};

enum class RangeKind {
  // No Range header, or an If-Range that does not match: the whole file is to
  // be sent.
  kWhole,
  // Several ranges.
  kSeveral,
  // One range within the file.
  kPart,
  // The range lies behind the file.
  kOutside,
  // No range of bytes.
  kMalformed,
};

// What the Range header of `head` asks of a file of `size` bytes.
RangeKind ReadRange(const RequestHead& head, int64_t size,
                    std::string_view etag, std::optional<int64_t> modified_ms,
                    ByteRange* range);

// "bytes 0-4/10" and "bytes */10".
std::string ContentRange(const ByteRange& range, int64_t size);
std::string ContentRangeOutside(int64_t size);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_FILE_RANGE_H_
