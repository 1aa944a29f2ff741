// A request to a service over HTTP, and what it answered.
#ifndef MILLSTREAM_AWS_HTTP_REQUEST_H_
#define MILLSTREAM_AWS_HTTP_REQUEST_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace millstream::aws {

using NameValues = std::vector<std::pair<std::string, std::string>>;

// A body that can be read again: requests are repeated. Used by one thread at a
// time.
class HttpBody {
 public:
  virtual ~HttpBody() = default;

  // Bytes; fixed.
  virtual int64_t size() const = 0;
  // Fills `buffer` from `offset` on and returns how many bytes; 0 only at the
  // end.
  virtual absl::StatusOr<size_t> ReadAt(int64_t offset,
                                        std::span<char> buffer) = 0;
};

// A text as a body; owns it.
class TextBody final : public HttpBody {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}

  int64_t size() const override { return static_cast<int64_t>(text_.size()); }
  absl::StatusOr<size_t> ReadAt(int64_t offset,
                                std::span<char> buffer) override {
    return text_.copy(buffer.data(), buffer.size(), offset);
  }
  const std::string& text() const { return text_; }

 private:
  const std::string text_;
};

// Where a service is.
struct Endpoint {
  std::string scheme = "https";
  // With ":port" unless that is the scheme's own; IPv6 in brackets.
  std::string host;
  // In front of every path: empty, or "/..." without a slash at its end.
  std::string path;

  // INVALID_ARGUMENT unless `url` is an http(s) URL with a host and without
  // user, query and fragment.
  static absl::StatusOr<Endpoint> Parse(std::string_view url);
};

struct HttpRequest {
  std::string method = "GET";
  std::string scheme = "https";
  std::string host;
  // Encoded; begins with "/".
  std::string path = "/";
  // Not encoded.
  NameValues query;
  NameValues headers;
  // Null for none. Outlives the request.
  HttpBody* body = nullptr;
  // Without a byte moving for this long it has failed.
  int64_t idle_ms_max = 60'000;
  int64_t connect_ms_max = 10'000;
  // Asks no proxy.
  bool direct = false;
};

struct HttpResponse {
  int status = 0;
  // Names in lower case.
  NameValues headers;
  std::string body;

  // The first header of that name; empty for none.
  std::string_view Header(std::string_view name) const;
};

// `text` with all but unreserved characters (and "/", where it is kept)
// percent-encoded, as signatures want it. Thread-safe.
std::string PercentEncode(std::string_view text, bool keep_slash = false);
// "a=1&b=2" of parameters in that order, encoded.
std::string EncodeQuery(const NameValues& query);

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_HTTP_REQUEST_H_
