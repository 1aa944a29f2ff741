// Whether an address can be listened on, and why not: gRPC does not tell.
#ifndef MILLSTREAM_SERVER_LISTEN_CHECK_H_
#define MILLSTREAM_SERVER_LISTEN_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace millstream::server {

// Takes the TCP port (0: some free one) of `host`, a name or an IP address, and
// lets go of it again. Thread-safe; looks names up, so it may block.
//   INVALID_ARGUMENT: `host` is no address.
//   UNAVAILABLE: none of its addresses can be listened on, and why: the port is
//     in use, needs privileges, or the address is of another machine.
absl::Status CheckCanListen(const std::string& host, uint16_t port);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_LISTEN_CHECK_H_
