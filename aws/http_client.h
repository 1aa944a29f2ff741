// Requests over HTTP/1.1 by libcurl: answers are read as they come, connections
// are kept and used again.
#ifndef MILLSTREAM_AWS_HTTP_CLIENT_H_
#define MILLSTREAM_AWS_HTTP_CLIENT_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "aws/http_request.h"

namespace millstream::aws {

// An answer whose body is still to come. Dropped early it closes its
// connection. Not thread-safe.
class HttpStream {
 public:
  virtual ~HttpStream() = default;

  // Status and headers.
  virtual const HttpResponse& head() const = 0;

  // Fills up to buffer.size() bytes and returns how many; 0 is the end. A
  // body that breaks off is UNAVAILABLE. What is not asked for stays with its
  // sender, but for limits::kHttpClientBufferBytes.
  virtual absl::StatusOr<size_t> Read(std::span<char> buffer) = 0;
};

struct HttpClientOptions {
  bool verify_tls = true;
  // File of certificates to trust; empty for the system's.
  std::string ca_bundle = {};
};

// Thread-safe. Outlives its streams.
class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options);
  ~HttpClient();

  // Sends a request and returns once the head of the answer is there, whatever
  // its status. UNAVAILABLE: the network failed, or for ten seconds all of
  // limits::kHttpClientConnectionsMax were busy.
  absl::StatusOr<std::unique_ptr<HttpStream>> Open(const HttpRequest& request);

  // The same with the whole body; RESOURCE_EXHAUSTED if that is larger than
  // `body_bytes_max`.
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request,
                                    size_t body_bytes_max);

 private:
  class Pool;
  class Stream;

  const HttpClientOptions options_;
  const std::unique_ptr<Pool> pool_;
};

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_HTTP_CLIENT_H_
