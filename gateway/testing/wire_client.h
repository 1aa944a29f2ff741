// A plain HTTP client for tests: sends the bytes it is told to and takes the
// answers apart.
#ifndef MILLSTREAM_GATEWAY_TESTING_WIRE_CLIENT_H_
#define MILLSTREAM_GATEWAY_TESTING_WIRE_CLIENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace millstream::gateway {

struct WireReply {
  // 0 if the connection ended before an answer.
  int status = 0;
  // Names in lower case; of several the last.
  std::map<std::string, std::string> headers;
  std::string body;
};

// One connection to a server on this machine. Not thread-safe. Waits at most
// 20 seconds for anything.
class WireClient {
 public:
  explicit WireClient(uint16_t port);
  ~WireClient();
  WireClient(const WireClient&) = delete;
  WireClient& operator=(const WireClient&) = delete;

  // False if the server no longer listens.
  bool Send(std::string_view bytes);
  // The next answer. `method` says whether it has a body.
  WireReply Receive(std::string_view method = "GET");
  // Whether the server has closed the connection; waits for it.
  bool AtEnd();
  // All that comes until the server closes the connection.
  std::string Rest();
  // Says that nothing more will be sent.
  void FinishSending();

  // A request with a Host header and, if there is a body, its length and the
  // type application/json unless `headers` ("Name: value\r\n"...) has one.
  WireReply Ask(std::string_view method, std::string_view target,
                std::string_view body = "", std::string_view headers = "");

 private:
  // Reads more into unread_; false at the end.
  bool Fill();
  std::string TakeLine();
  std::string TakeBytes(size_t count);

  int socket_ = -1;
  std::string unread_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_TESTING_WIRE_CLIENT_H_
