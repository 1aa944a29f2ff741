// What callers send to say who they are.
#ifndef MILLSTREAM_AUTH_CREDENTIALS_H_
#define MILLSTREAM_AUTH_CREDENTIALS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace millstream::auth {

// All functions are thread-safe.

struct Credentials {
  // Empty for a token.
  std::string user;
  // Or the token.
  std::string secret;
  bool is_token = false;
};

// Of an Authorization header, "Basic <base64>" or "Bearer <token>"; nothing if
// it is neither.
std::optional<Credentials> ParseAuthorization(std::string_view header);

// The address of a peer such as "1.2.3.4:567" or "ipv6:%5B::1%5D:567", or of
// one without a port.
std::string HostOf(std::string_view peer);

// The same to count by: of IPv6 the network of 64 bits, which one caller has to
// himself.
std::string AddressOf(std::string_view peer);

// UNAUTHENTICATED: there are none, and they are wrong.
absl::Status NoCredentials();
absl::Status WrongCredentials();

// SHA-256 of `text` with a key that this process made up: nobody can tell what
// it will be.
using Fingerprint = std::array<uint8_t, 32>;
Fingerprint FingerprintOf(std::string_view text);

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_CREDENTIALS_H_
