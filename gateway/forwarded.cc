#include "gateway/forwarded.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/limits.h"
#include "base/str_cat.h"

namespace millstream::gateway {
namespace {

// The bits of an address in its IPv6 form.
constexpr int kAddressBits = 128;

// "address:port" without the port.
std::string_view WithoutPort(std::string_view peer) {
  return peer.substr(0, peer.rfind(':'));
}

// Of a list with commas, the last item: what the nearest proxy said.
std::string_view LastOf(std::string_view list) {
  const size_t comma = list.rfind(',');
  if (comma != std::string_view::npos) list.remove_prefix(comma + 1);
  return StdView(absl::StripAsciiWhitespace(AbslView(list)));
}

// Headers of one name make one list.
std::string AllOf(const RequestHead& head, std::string_view name) {
  std::string all;
  for (const auto& [key, value] : head.headers) {
    if (!absl::EqualsIgnoreCase(AbslView(key), AbslView(name))) continue;
    StrAppend(&all, all.empty() ? "" : ",", value);
  }
  return all;
}

bool IsPrefix(std::string_view prefix) {
  return prefix.size() > 1 && prefix.front() == '/' && prefix[1] != '/' &&
         std::all_of(prefix.begin(), prefix.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '/' || c == '-' || c == '_' ||
                  c == '.' || c == '~';
         });
}

}  // namespace

absl::StatusOr<Forwarded> Forwarded::Create(
    const std::vector<std::string>& trusted_proxies, bool secure) {
  Forwarded forwarded;
  forwarded.secure_ = secure;
  for (const std::string& text : trusted_proxies) {
    std::optional<Network> network = ParseNetwork(text);
    if (const auto address = ParseAddress(text); address.has_value()) {
      network = Network{*address, kAddressBits};
    }
    if (!network.has_value()) {
      return absl::InvalidArgumentError(
          StrCat("--trusted-proxies: \"", text,
                 "\" is no address or network, such as 10.0.0.0/8."));
    }
    forwarded.trusted_.push_back(*network);
  }
  return forwarded;
}

bool Forwarded::IsTrusted(std::string_view address) const {
  const std::optional<Address> parsed = ParseAddress(address);
  return parsed.has_value() &&
         std::any_of(trusted_.begin(), trusted_.end(),
                     [&](const Network& n) { return n.Contains(*parsed); });
}

std::optional<std::string> Forwarded::CallerOf(std::string_view address,
                                               std::string_view hops) const {
  if (!IsTrusted(address)) return std::nullopt;
  // Each proxy added whom it was asked by; the first that is no proxy of ours,
  // from the back, is the caller.
  std::optional<std::string> caller;
  for (size_t i = 0; i < limits::kForwardedHopsMax && !hops.empty(); ++i) {
    const std::string_view hop = LastOf(hops);
    if (!ParseAddress(hop).has_value()) break;
    caller = std::string(hop);
    if (!IsTrusted(hop)) break;
    const size_t comma = hops.rfind(',');
    hops = comma == std::string_view::npos ? "" : hops.substr(0, comma);
  }
  return caller;
}

Origination Forwarded::Of(const RequestHead& head) const {
  Origination from;
  from.peer = std::string(head.peer);
  from.scheme = secure_ ? "https" : "http";
  from.host = std::string(head.Header("host").value_or(""));
  if (trusted_.empty() || !IsTrusted(WithoutPort(head.peer))) return from;
  if (auto caller = CallerOf(WithoutPort(head.peer),
                             AllOf(head, "x-forwarded-for"))) {
    from.peer = *std::move(caller);
  }
  const std::string protos = AllOf(head, "x-forwarded-proto");
  const std::string proto = absl::AsciiStrToLower(AbslView(LastOf(protos)));
  if (proto == "https" || proto == "http") from.scheme = proto;
  const std::string hosts = AllOf(head, "x-forwarded-host");
  if (const std::string_view host = LastOf(hosts);
      ParseHost(host).has_value()) {
    from.host = std::string(host);
  }
  const std::string prefixes = AllOf(head, "x-forwarded-prefix");
  std::string_view prefix = LastOf(prefixes);
  while (prefix.size() > 1 && prefix.back() == '/') prefix.remove_suffix(1);
  if (IsPrefix(prefix)) from.prefix = std::string(prefix);
  return from;
}

}  // namespace millstream::gateway
