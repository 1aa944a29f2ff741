// Names and addresses of machines, as Host and Origin headers give them.
#ifndef MILLSTREAM_GATEWAY_HOST_H_
#define MILLSTREAM_GATEWAY_HOST_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millstream::gateway {

// All functions are thread-safe.

// An IPv4 address as its IPv4-mapped IPv6 address.
using Address = std::array<uint8_t, 16>;

// "1.2.3.4" or "::1", nothing else.
std::optional<Address> ParseAddress(std::string_view text);

// A set of addresses that share their first bits.
struct Network {
  Address address;
  int prefix_bits;

  bool Contains(const Address& other) const;
};

// "10.0.0.0/8" or "fc00::/7".
std::optional<Network> ParseNetwork(std::string_view text);

struct Host {
  // In lower case, without brackets and without a dot at its end.
  std::string name;
  // What it is, if it is an address.
  std::optional<Address> address;
  // As written; empty if there was none.
  std::string port;
};

// "name", "name:port", "[::1]:port". Nothing for empty names, for anything
// but letters, digits, "-", "_" and "." in a name, for ports that are none.
std::optional<Host> ParseHost(std::string_view text);

struct Origin {
  // In lower case.
  std::string scheme;
  Host host;
};

// "https://host:port". Nothing for "null" and anything else.
std::optional<Origin> ParseOrigin(std::string_view text);

// This machine by its usual names: localhost, 127.0.0.0/8, ::1.
bool IsThisMachine(const Host& host);
// The addresses of private networks (RFC 1918, RFC 4193), and 0.0.0.0.
bool IsPrivate(const Host& host);

// Whether `text` fits `pattern`, in which "*" stands for any characters. Both
// in lower case.
bool MatchesWildcard(std::string_view text, std::string_view pattern);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HOST_H_
