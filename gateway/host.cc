#include "gateway/host.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/str_cat.h"

namespace millstream::gateway {
namespace {

constexpr int kMappedBits = 96;

bool IsPort(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(c); });
}

bool Within(const Host& host, std::string_view network) {
  return host.address.has_value() &&
         ParseNetwork(network)->Contains(*host.address);
}

}  // namespace

std::optional<Address> ParseAddress(std::string_view text) {
  const std::string terminated(text);
  Address address{};
  in_addr v4;
  if (inet_pton(AF_INET, terminated.c_str(), &v4) == 1) {
    address[10] = address[11] = 0xFF;
    std::memcpy(&address[12], &v4, sizeof(v4));
    return address;
  }
  if (inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1) {
    return address;
  }
  return std::nullopt;
}

bool Network::Contains(const Address& other) const {
  const int whole = prefix_bits / 8;
  if (!std::equal(address.begin(), address.begin() + whole, other.begin())) {
    return false;
  }
  if (prefix_bits % 8 == 0) return true;
  const int mask = 0xFF << (8 - prefix_bits % 8);
  return (address[whole] & mask) == (other[whole] & mask);
}

std::optional<Network> ParseNetwork(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::optional<Address> address = ParseAddress(text.substr(0, slash));
  int bits = 0;
  if (!address.has_value() ||
      !absl::SimpleAtoi(AbslView(text.substr(slash + 1)), &bits) || bits < 0) {
    return std::nullopt;
  }
  const bool v4 = text.find(':') == std::string_view::npos;
  if (bits > (v4 ? 32 : 128)) return std::nullopt;
  return Network{*address, v4 ? bits + kMappedBits : bits};
}

std::optional<Host> ParseHost(std::string_view text) {
  Host host;
  std::string_view name = text;
  if (!text.empty() && text[0] == '[') {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    name = text.substr(1, end - 1);
    host.address = ParseAddress(name);
    if (!host.address.has_value() ||
        name.find(':') == std::string_view::npos) {
      return std::nullopt;
    }
    text.remove_prefix(end + 1);
    if (!text.empty()) {
      if (text[0] != ':' || !IsPort(text.substr(1))) return std::nullopt;
      host.port = std::string(text.substr(1));
    }
  } else {
    if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
      name = text.substr(0, colon);
      if (!IsPort(text.substr(colon + 1))) return std::nullopt;
      host.port = std::string(text.substr(colon + 1));
    }
    if (name.size() > 1 && name.back() == '.') name.remove_suffix(1);
    const bool good = std::all_of(name.begin(), name.end(), [](char c) {
      return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
    });
    if (name.empty() || !good) return std::nullopt;
    host.address = ParseAddress(name);
  }
  host.name = absl::AsciiStrToLower(AbslView(name));
  return host;
}

std::optional<Origin> ParseOrigin(std::string_view text) {
  const size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  std::optional<Host> host = ParseHost(text.substr(end + 3));
  if (!host.has_value()) return std::nullopt;
  return Origin{absl::AsciiStrToLower(AbslView(text.substr(0, end))),
                *std::move(host)};
}

bool IsThisMachine(const Host& host) {
  return host.name == "localhost" || Within(host, "127.0.0.0/8") ||
         Within(host, "::1/128");
}

bool IsPrivate(const Host& host) {
  for (const std::string_view network :
       {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "0.0.0.0/32",
        "fc00::/7"}) {
    if (Within(host, network)) return true;
  }
  return false;
}

bool MatchesWildcard(std::string_view text, std::string_view pattern) {
  // Where to go on when a "*" has to take one character more.
  size_t star = std::string_view::npos;
  size_t resume = 0;
  size_t at = 0;
  size_t p = 0;
  while (at < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = at;
    } else if (p < pattern.size() && pattern[p] == text[at]) {
      ++p;
      ++at;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace millstream::gateway
