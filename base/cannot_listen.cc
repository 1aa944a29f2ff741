#include "base/cannot_listen.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "base/str_cat.h"

namespace millstream {

absl::Status CannotListen(std::string_view host, uint16_t port, int error,
                          std::string_view port_flag) {
  const std::string what =
      StrCat("Cannot listen on ", host, ":", port, ": ", strerror(error), ". ");
  if (error == EACCES) {
    return absl::UnavailableError(StrCat(
        what, "The system keeps low ports for root: choose one above 1023 "
        "with ", port_flag, " (in a container, PORT), or let everybody have "
        "them: sysctl net.ipv4.ip_unprivileged_port_start=", port, "."));
  }
  return absl::UnavailableError(
      StrCat(what, "--host and ", port_flag, " choose another address."));
}

}  // namespace millstream
