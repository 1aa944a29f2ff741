// Listens, and has the connections served.
#ifndef MILLSTREAM_GATEWAY_HTTP_SERVER_H_
#define MILLSTREAM_GATEWAY_HTTP_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "gateway/answer_notes.h"

namespace millstream::gateway {

class Front;
class HttpTls;

// Thread-safe.
class HttpServer {
 public:
  struct Options {
    std::string host;
    uint16_t port = 0;
    // At least 2; all but one may be busy with handlers at a time.
    int threads = 2;
    int connections_max = 1;
    // For bodies and answers that are not small, of all connections.
    size_t held_bytes_max = 0;
    // How long the head of a request may take to come.
    int64_t head_ms_max = 0;
    // How long a call waits for a free handler, and so does each further step
    // of a transfer that has begun.
    int64_t admission_ms_max = 0;
    int64_t transfer_step_ms_max = 0;
    // Null: connections are not encrypted. Must outlive the server.
    HttpTls* tls = nullptr;
    AnswerNotes notes = {};
  };

  // Binds and starts to serve. INVALID_ARGUMENT for a host that is no name or
  // address; UNAVAILABLE if the port is taken or not ours to take.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const Options& options, const Front* front);

  // Stops.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The port that is listened on.
  uint16_t port() const;

  // As RestDoor::Stop().
  void Stop();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HTTP_SERVER_H_
