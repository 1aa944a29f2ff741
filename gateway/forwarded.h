// What a proxy in front says of the request that it passes on.
#ifndef MILLSTREAM_GATEWAY_FORWARDED_H_
#define MILLSTREAM_GATEWAY_FORWARDED_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/host.h"
#include "gateway/http_message.h"

namespace millstream::gateway {

// How the caller reached us.
struct Origination {
  // "address:port", or the address alone where a proxy told it.
  std::string peer;
  // "http" or "https".
  std::string scheme;
  // Value of the Host header that the caller sent.
  std::string host;
  // Path that a proxy cut off: empty, or as --static-prefix.
  std::string prefix;
};

// Immutable and thread-safe. X-Forwarded-For, -Proto, -Host and -Prefix of
// connections from trusted proxies are believed, and nobody else's: whoever
// could forge them would choose the Host that is checked, and the address that
// his guesses at passwords are counted by.
class Forwarded {
 public:
  // Items are addresses or networks. INVALID_ARGUMENT naming the flag for
  // others. `secure`: the door itself speaks TLS.
  static absl::StatusOr<Forwarded> Create(
      const std::vector<std::string>& trusted_proxies, bool secure);

  Forwarded() = default;

  Origination Of(const RequestHead& head) const;

  // Who called a proxy at `address`, by the list that X-Forwarded-For was, or
  // nothing if that is no proxy of ours or named nobody. An address without
  // port. For the other door.
  std::optional<std::string> CallerOf(std::string_view address,
                                      std::string_view hops) const;

 private:
  bool IsTrusted(std::string_view address) const;

  std::vector<Network> trusted_;
  bool secure_ = false;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_FORWARDED_H_
