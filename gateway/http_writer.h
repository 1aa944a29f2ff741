// The head of an HTTP answer as bytes.
#ifndef MILLSTREAM_GATEWAY_HTTP_WRITER_H_
#define MILLSTREAM_GATEWAY_HTTP_WRITER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http_message.h"

namespace millstream::gateway {

// How the body of an answer is told from what follows it.
enum class Framing { kLength, kChunked, kUntilClose };

// Appends status line and headers with the blank line after them.
// `common_lines` are header lines that end in "\r\n"; `content_bytes` is what
// Content-Length says with kLength. 204 and 304 have no length. Characters that
// end a line are taken out of the reply's own headers. Thread-safe.
void WriteReplyHead(const HttpReply& reply, std::string_view common_lines,
                    Framing framing, int64_t content_bytes, bool keep_alive,
                    std::string* out);

// "Sat, 21 Nov 2026 05:53:18 GMT". Thread-safe.
std::string HttpDate(int64_t ms);

// The time of HttpDate's form, in milliseconds; nothing if it is none.
std::optional<int64_t> ParseHttpDate(std::string_view text);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HTTP_WRITER_H_
