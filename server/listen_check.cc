#include "server/listen_check.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/str_cat.h"

namespace millstream::server {
namespace {

// 0, or the errno that says why not.
int TryToBind(const addrinfo& address) {
  const int file =
      socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  if (file < 0) return errno;
  // As servers do: connections that ended lately are no hindrance.
  const int on = 1;
  setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const int code =
      bind(file, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  close(file);
  return code;
}

}  // namespace

absl::Status CheckCanListen(const std::string& host, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) !=
      0) {
    return absl::InvalidArgumentError(
        StrCat("--host: \"", host, "\" is no address to listen on."));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found,
                                                                 freeaddrinfo);
  int code = EADDRNOTAVAIL;
  for (const addrinfo* next = found; next != nullptr; next = next->ai_next) {
    code = TryToBind(*next);
    if (code == 0) return absl::OkStatus();
  }
  return absl::UnavailableError(
      StrCat("Cannot listen for gRPC on ", host, ":", port, ": ",
             strerror(code),
             ". --host and --grpc-port choose another address."));
}

}  // namespace millstream::server
