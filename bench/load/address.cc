#include "bench/load/address.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace millstream::bench {

absl::StatusOr<Address> ParseUrl(absl::string_view url) {
  Address address;
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "http://")) {
    return absl::InvalidArgumentError("the URL must begin with http://");
  }
  absl::ConsumeSuffix(&rest, "/");
  size_t colon = rest.find(':');
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(rest.substr(colon + 1), &address.port) ||
      address.port < 1 || address.port > 65535) {
    return absl::InvalidArgumentError("the URL must be http://HOST:PORT");
  }
  address.host = std::string(rest.substr(0, colon));
  if (address.host == "localhost") address.host = "127.0.0.1";
  in_addr parsed;
  if (inet_pton(AF_INET, address.host.c_str(), &parsed) != 1) {
    return absl::InvalidArgumentError(
        "HOST must be an IPv4 address or localhost");
  }
  return address;
}

absl::StatusOr<int> Connect(const Address& address, bool nonblocking) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  sockaddr_in where = {};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<uint16_t>(address.port));
  inet_pton(AF_INET, address.host.c_str(), &where.sin_addr);
  if (connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof(where)) != 0) {
    std::string why = std::strerror(errno);
    close(fd);
    return absl::UnavailableError(absl::StrCat("cannot connect to ",
                                               address.host, ":",
                                               address.port, ": ", why));
  }
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (nonblocking) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

}  // namespace millstream::bench
