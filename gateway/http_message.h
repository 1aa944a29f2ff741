// HTTP requests and answers as the door's handlers see them: plain data, no
// sockets and no Boost.
#ifndef MILLSTREAM_GATEWAY_HTTP_MESSAGE_H_
#define MILLSTREAM_GATEWAY_HTTP_MESSAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_stream.h"

namespace millstream::gateway {

// What precedes a request's body. Views are valid while the request is being
// answered. Read-only once made, so thread-safe.
struct RequestHead {
  std::string_view method;
  // As it was sent, up to "?"; starts with "/".
  std::string_view raw_path;
  // raw_path with its %xx decoded.
  std::string path;
  // As it was sent, without the "?".
  std::string_view query;
  // In the order they came.
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  // Of the body, if the request told it.
  std::optional<uint64_t> content_length;
  // "address:port" of the caller.
  std::string_view peer;

  // Value of the first header called `name` in any case; nothing if there is
  // none.
  std::optional<std::string_view> Header(std::string_view name) const;
};

// An answer on its way out.
struct HttpReply {
  int status = 200;
  // Content-Type; none if empty.
  std::string content_type;
  // Further headers but Content-Length, Date, Connection and those that every
  // answer has.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // If set, the body instead of `body`.
  std::unique_ptr<ByteSource> source;
  // Bytes that `source` gives; unknown if absent, then sent in chunks.
  std::optional<int64_t> source_bytes;

  void AddHeader(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
  }
};

// "Not Found" for 404, and so on; "Unknown" for codes not in use here.
std::string_view ReasonOf(int status);

// A small page saying what is wrong, as browsers show it. `detail` is escaped.
HttpReply HtmlError(int status, std::string_view detail);

HttpReply TextReply(int status, std::string body);
HttpReply JsonReply(int status, std::string body);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HTTP_MESSAGE_H_
