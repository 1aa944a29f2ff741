// Where the server under test listens.
#ifndef MILLSTREAM_BENCH_LOAD_ADDRESS_H_
#define MILLSTREAM_BENCH_LOAD_ADDRESS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace millstream::bench {

struct Address {
  std::string host;  // IPv4 in dots.
  int port = 0;
};

// Reads "http://HOST:PORT", HOST an IPv4 address or localhost.
// INVALID_ARGUMENT for anything else.
absl::StatusOr<Address> ParseUrl(absl::string_view url);

// Connects with TCP_NODELAY; the caller owns the descriptor. UNAVAILABLE when
// nobody listens.
absl::StatusOr<int> Connect(const Address& address, bool nonblocking);

}  // namespace millstream::bench

#endif  // MILLSTREAM_BENCH_LOAD_ADDRESS_H_
