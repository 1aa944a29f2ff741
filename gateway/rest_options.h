// How the REST door is to be opened.
#ifndef MILLSTREAM_GATEWAY_REST_OPTIONS_H_
#define MILLSTREAM_GATEWAY_REST_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/limits.h"

namespace millstream::monitoring {
class Monitor;
}

namespace millstream::gateway {

// PEM files. Without a certificate there is no TLS.
struct TlsFiles {
  // The certificate, then those between it and a root that clients know.
  std::string certificate;
  std::string key;
  // If not empty, callers must have a certificate of one of these.
  std::string client_ca;
};

struct RestOptions {
  // Address or name to listen on.
  std::string host = "127.0.0.1";
  // 0 takes a free one; RestDoor::port() says which.
  uint16_t port = 5000;
  // Threads that serve sockets and run handlers; at least 2. Handlers may
  // block on a group commit, so there are more of these than processors.
  int threads = 16;
  // Connections open at once. For a further one another is ended that is not
  // being served; if there is none, the further one is closed unanswered.
  int connections_max = 4096;
  // Memory for bodies and answers under way.
  size_t held_bytes_max = limits::kHttpHeldBytesMax;
  // How long the head of a request may take to come.
  int64_t head_ms_max = limits::kHttpHeadMsMax;
  // How long a call waits for a free handler, and so does each further step of
  // a transfer that has begun.
  int64_t admission_ms_max = limits::kHttpAdmissionMsMax;
  int64_t transfer_step_ms_max = limits::kHttpBodyMsMax;
  TlsFiles tls;
  // Networks and addresses of proxies whose X-Forwarded-For, -Proto, -Host and
  // -Prefix are believed.
  std::vector<std::string> trusted_proxies;
  // Path in front of everything: starts with "/", has no "/" at its end, or
  // is empty.
  std::string static_prefix;
  // Whether there is a page to make users with.
  bool signup_page = false;
  // Writes a line to the log for each answer.
  bool access_log = false;
  // Shown at /metrics, and told of each answer; null: there is no /metrics.
  // Outlives the door.
  monitoring::Monitor* monitor = nullptr;
  // Folder with MLflow's built UI ("index.html" in it); empty serves none.
  std::string ui_dir;

  // Values of the Host header that are answered, "*" for all; empty for
  // localhost and private addresses. A "*" within a name matches what it
  // likes there, so "*.example.com" is a domain; addresses may be given as
  // networks, "10.0.0.0/8".
  std::vector<std::string> allowed_hosts;
  // Callers must say who they are. A page that rebinds its name to our address
  // cannot: browsers keep passwords by the name they were typed for. So with
  // any Host allowed, whoever has the name that is asked for is ourselves.
  bool asks_for_credentials = false;
  // Origins ("https://host[:port]") that may send changes from a browser, "*"
  // for all; this machine's own and the server's own always may.
  std::vector<std::string> cors_allowed_origins;
  // "SAMEORIGIN", "DENY", or "NONE" for no such header.
  std::string x_frame_options = "SAMEORIGIN";
  // Checks no Host and no Origin, and sends no security headers but nosniff.
  bool disable_security_middleware = false;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_REST_OPTIONS_H_
