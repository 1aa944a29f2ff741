// Any text as template and path ("template\npath"): a template that parses
// matches without harm, and its variables are parts of the path.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/path_template.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using millstream::gateway::PathTemplate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  const auto parsed = PathTemplate::Parse(text.substr(0, line));
  if (!parsed.ok() || line == std::string_view::npos) return 0;
  const std::string_view path = text.substr(line + 1);
  millstream::gateway::PathVariables values;
  if (!parsed->Match(path, &values)) return 0;
  Require(values.size() == parsed->variables().size());
  for (const auto& [name, value] : values) {
    Require(!value.empty() && path.find(value) != std::string_view::npos);
  }
  Require(parsed->Overlaps(*parsed));
  return 0;
}
