#include "base/python_json.h"

#include <cstdint>

#include "base/text.h"

namespace millstream {
namespace {

void AppendEscape(uint32_t unit, std::string* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  const char escape[] = {'\\',
                         'u',
                         kDigits[unit >> 12 & 15],
                         kDigits[unit >> 8 & 15],
                         kDigits[unit >> 4 & 15],
                         kDigits[unit & 15]};
  out->append(escape, sizeof(escape));
}

}  // namespace

void AppendPythonJsonString(std::string_view text, std::string* out) {
  *out += '"';
  while (!text.empty()) {
    const char32_t c = TakeCharacter(&text);
    switch (c) {
      case '"': *out += "\\\""; continue;
      case '\\': *out += "\\\\"; continue;
      case '\n': *out += "\\n"; continue;
      case '\r': *out += "\\r"; continue;
      case '\t': *out += "\\t"; continue;
      case '\f': *out += "\\f"; continue;
      case '\b': *out += "\\b"; continue;
      default: break;
    }
    if (c >= 0x20 && c < 0x7F) {
      *out += static_cast<char>(c);
    } else if (c < 0x10000) {
      AppendEscape(c, out);
    } else {
      AppendEscape(0xD800 + ((c - 0x10000) >> 10), out);
      AppendEscape(0xDC00 + ((c - 0x10000) & 0x3FF), out);
    }
  }
  *out += '"';
}

}  // namespace millstream
