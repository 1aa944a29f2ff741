// Any bytes as a connection: read whole and in pieces they give the same
// requests. (A refusal may come earlier or later.)
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/http_parser.h"

namespace {

using millstream::gateway::HttpParser;

// The requests understood of `bytes`, read `step` at a time.
std::string Understood(std::string_view bytes, size_t step) {
  HttpParser parser("fuzz");
  std::string seen;
  std::string waiting;
  for (;;) {
    const size_t used = parser.Feed(waiting);
    waiting.erase(0, used);
    if (parser.fault().has_value()) return seen;
    if (parser.state() == HttpParser::State::kDone) {
      seen += std::string(parser.head().method) + " " + parser.head().path +
              "?" + std::string(parser.head().query) + "\n" + parser.body() +
              "\n";
      parser.Next();
      continue;
    }
    if (used > 0 && !waiting.empty()) continue;
    if (bytes.empty()) return seen;
    waiting.append(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (Understood(bytes, size + 1) != Understood(bytes, 3)) std::abort();
  return 0;
}
