// Any text in what proxies say of callers: strangers are not believed, and of
// proxies what makes sense alone.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/forwarded.h"
#include "gateway/host.h"
#include "gateway/http_message.h"

namespace {

namespace gateway = millstream::gateway;

constexpr std::string_view kHost = "inner:5000";

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string_view TakeLine(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return line;
}

}  // namespace

// Lines: the peer, X-Forwarded-For, -Proto, -Host, -Prefix.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const nobody = new gateway::Forwarded();
  static const auto* const some = new gateway::Forwarded(
      *gateway::Forwarded::Create({"10.0.0.0/8", "::1"}, /*secure=*/false));
  std::string_view text(reinterpret_cast<const char*>(data), size);
  gateway::RequestHead head;
  const std::string peer(TakeLine(&text));
  head.peer = peer;
  head.headers.emplace_back("Host", kHost);
  for (const char* name : {"X-Forwarded-For", "X-Forwarded-Proto",
                           "X-Forwarded-Host", "X-Forwarded-Prefix"}) {
    head.headers.emplace_back(name, TakeLine(&text));
  }
  const gateway::Origination none = nobody->Of(head);
  Require(none.peer == peer && none.host == kHost && none.scheme == "http" &&
          none.prefix.empty());
  const gateway::Origination from = some->Of(head);
  Require(from.peer == peer || gateway::ParseAddress(from.peer).has_value());
  Require(from.scheme == "http" || from.scheme == "https");
  Require(from.host == kHost || gateway::ParseHost(from.host).has_value());
  // No other server's, once it stands before a path.
  Require(from.prefix.empty() ||
          (from.prefix[0] == '/' && !from.prefix.starts_with("//")));
  // Text that is no address was sent by no proxy of ours.
  if (!gateway::ParseAddress(peer.substr(0, peer.rfind(':'))).has_value()) {
    Require(from.peer == peer && from.host == kHost && from.prefix.empty());
  }
  return 0;
}
