// Any text as one of the files in ~/.aws: settings with names.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "aws/profiles.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& [section, settings] : millstream::aws::ParseIni(text)) {
    Require(section.find_first_of("]\n") == std::string::npos);
    for (const auto& [name, value] : settings) {
      Require(name == absl::AsciiStrToLower(name));
      Require(name.find_first_of("=\n") == std::string::npos);
      Require(value == absl::StripAsciiWhitespace(value));
    }
  }
  return 0;
}
