// HTTP/1 requests out of the bytes of a connection.
#ifndef MILLSTREAM_GATEWAY_HTTP_PARSER_H_
#define MILLSTREAM_GATEWAY_HTTP_PARSER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http_message.h"

namespace millstream::gateway {

// Why a request cannot be read: then the connection is of no further use.
struct HttpFault {
  int status;
  std::string message;
};

// Reads one request after the other. Not thread-safe.
//
// Strict where leniency has let others be deceived: a request has one Host, no
// Content-Length beside Transfer-Encoding, no coding but "chunked", no lone
// line feeds in its head.
class HttpParser {
 public:
  // `peer` is what RequestHead::peer says.
  explicit HttpParser(std::string peer);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  enum class State { kHead, kBody, kDone };
  State state() const { return state_; }

  // Reads on in `bytes`, which start where the previous call stopped, and
  // returns how many were used up. Stops at the end of the head and of the
  // request. What is left over of a head that has not ended yet is to come
  // again, with more behind it.
  size_t Feed(std::string_view bytes);

  // Set once the request turned out to be unreadable.
  const std::optional<HttpFault>& fault() const { return fault_; }

  // REQUIRES: state() is past kHead. Valid until Next().
  const RequestHead& head() const { return head_; }
  // Whether the caller waits for "100 Continue" before it sends the body.
  bool expects_continue() const { return expects_continue_; }
  // Whether the caller understands chunks (HTTP/1.1).
  bool takes_chunks() const { return takes_chunks_; }
  // Whether the connection may serve another request after this one.
  bool keep_alive() const { return keep_alive_; }

  // What has come of the body; the caller may take it away.
  std::string& body();
  // Bytes of it that have come in all, as the body is without chunks.
  size_t body_bytes() const;

  // Makes ready for the next request. REQUIRES: state() is kDone.
  void Next();

 private:
  struct Impl;

  // Checks the head and fills head_.
  void ReadHead();
  void Fail(int status, std::string message);

  std::unique_ptr<Impl> impl_;
  const std::string peer_;
  State state_ = State::kHead;
  RequestHead head_;
  bool expects_continue_ = false;
  bool keep_alive_ = false;
  bool takes_chunks_ = false;
  std::optional<HttpFault> fault_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HTTP_PARSER_H_
