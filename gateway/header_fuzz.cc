// Any text as the headers that decide who may ask and what part of a file is
// sent: what is taken holds together.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/file_range.h"
#include "gateway/host.h"
#include "gateway/http_message.h"

namespace {

namespace gateway = millstream::gateway;

constexpr int64_t kFileBytes = 1000;

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string_view TakeLine(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return line;
}

void CheckHost(const std::optional<gateway::Host>& host) {
  if (!host.has_value()) return;
  Require(!host->name.empty());
  if (host->name.ends_with('.')) return;  // of several dots one was dropped
  // Written again it is the same host.
  const bool v6 = host->name.find(':') != std::string::npos;
  const auto again =
      gateway::ParseHost(v6 ? "[" + host->name + "]" : host->name);
  Require(again.has_value() && again->name == host->name &&
          again->address == host->address);
  gateway::IsThisMachine(*host);
  gateway::IsPrivate(*host);
}

}  // namespace

// Lines: Host, Origin, a network, a pattern, Range, If-Range.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto host = gateway::ParseHost(TakeLine(&text));
  CheckHost(host);
  if (const auto origin = gateway::ParseOrigin(TakeLine(&text))) {
    CheckHost(origin->host);
  }
  if (const auto network = gateway::ParseNetwork(TakeLine(&text));
      network.has_value() && host.has_value() && host->address.has_value()) {
    network->Contains(*host->address);
  }
  const std::string_view pattern = TakeLine(&text);
  Require(gateway::MatchesWildcard(pattern, "*"));
  gateway::MatchesWildcard("a.b.example.com", pattern);
  gateway::RequestHead head;
  head.headers.emplace_back("Range", TakeLine(&text));
  if (!text.empty()) head.headers.emplace_back("If-Range", text);
  gateway::ByteRange range{-1, -1};
  if (gateway::ReadRange(head, kFileBytes, "\"etag\"", 784111777000, &range) ==
      gateway::RangeKind::kPart) {
    Require(0 <= range.begin && range.begin < range.end &&
            range.end <= kFileBytes);
  }
  return 0;
}
