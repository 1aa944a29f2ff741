// Who may talk to the server from a browser: the checks of Host and Origin,
// CORS, and the headers that go with every answer.
#ifndef MILLSTREAM_GATEWAY_SECURITY_H_
#define MILLSTREAM_GATEWAY_SECURITY_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/host.h"
#include "gateway/http_message.h"
#include "gateway/rest_options.h"

namespace millstream::gateway {

// Immutable and thread-safe.
//
// A page of some other site can make its visitor's browser send requests here.
// It cannot choose the Host header (unless it rebinds its own name to our
// address: therefore names are checked) and cannot hide its Origin (therefore
// changes are taken from known origins only).
class Security {
 public:
  // INVALID_ARGUMENT for hosts, origins or an X-Frame-Options that are none.
  static absl::StatusOr<std::unique_ptr<Security>> Create(
      const RestOptions& options);

  enum class Path { kOrdinary, kProbe };

  // The refusal of a request whose Host or Origin is not allowed. Probes
  // ("/health", "/version") are answered whatever their Host. `host` is the
  // Host header as the caller sent it to us or to a proxy.
  std::optional<HttpReply> Check(const RequestHead& head,
                                 const std::string& host, Path path) const;

  // The answer to a browser that asks what it may send (OPTIONS with Origin
  // and Access-Control-Request-Method); nothing for other requests.
  std::optional<HttpReply> Preflight(const RequestHead& head) const;

  // Header lines for the answer to `head`, each ending in "\r\n".
  void AppendHeaders(const RequestHead& head, std::string* out) const;

 private:
  struct HostPattern {
    // Of these the one that is set.
    std::optional<Network> network;
    std::string name;
    // Of the name: any port, or this one.
    std::string port;
    // The name holds nothing but digits, dots and "*".
    bool numeric = false;
  };
  static absl::StatusOr<HostPattern> ParsePattern(std::string_view text);

  bool IsAllowedHost(const Host& host) const;
  // Whether a browser may read answers from `origin`.
  bool MayRead(std::string_view origin) const;
  // Whether a browser may send changes from there, asking for `host`.
  bool MayChange(std::string_view origin, const std::string& host) const;

  bool enabled_ = true;
  bool any_host_ = false;
  // Any Host, and nobody is asked who he is.
  bool anybody_ = false;
  bool any_origin_ = false;
  // Empty for localhost and private addresses.
  std::vector<HostPattern> hosts_;
  // In lower case.
  std::vector<std::string> origins_;
  // Lines that every answer has.
  std::string fixed_headers_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_SECURITY_H_
