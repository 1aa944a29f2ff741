// What a door says that cannot be opened.
#ifndef MILLSTREAM_BASE_CANNOT_LISTEN_H_
#define MILLSTREAM_BASE_CANNOT_LISTEN_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace millstream {

// UNAVAILABLE, with what to do about it: `error`, an errno, kept the server
// from listening at `host` and `port`, which the flags --host and `port_flag`
// name. Thread-safe.
absl::Status CannotListen(std::string_view host, uint16_t port, int error,
                          std::string_view port_flag);

}  // namespace millstream

#endif  // MILLSTREAM_BASE_CANNOT_LISTEN_H_
