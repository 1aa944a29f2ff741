// Telling UTF-8 from other bytes.
#ifndef MILLSTREAM_GATEWAY_JSON_UTF8_H_
#define MILLSTREAM_GATEWAY_JSON_UTF8_H_

#include <cstddef>
#include <string_view>

namespace millstream::gateway {

// Length of the well-formed UTF-8 sequence (1 to 4 bytes; no overlong form, no
// surrogate) at `at`, or 0 if there is none. REQUIRES: at < text.size().
// Thread-safe.
inline size_t Utf8SequenceLength(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const auto follows = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if ((lead & 0xF0) == 0xE0) {
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    if (lead == 0xED && byte(1) > 0x9F) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_JSON_UTF8_H_
