#include "gateway/content_disposition.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/str_cat.h"
#include "gateway/json/utf8.h"

namespace millstream::gateway {
namespace {

// What U+00A0 to U+017F are without their marks; "-" for those that are
// nothing without.
constexpr char32_t kLatinBegin = 0xA0;
constexpr std::string_view kLatin =
    " ------- -a---- --23 --- 1o-----"
    "AAAAAA-CEEEEIIII-NOOOOO--UUUUY--"
    "aaaaaa-ceeeeiiii-nooooo--uuuuy-y"
    "AaAaAaCcCcCcCcDd--EeEeEeEeEeGgGg"
    "GgGgHh--IiIiIiIiI---JjKk-LlLlLlL"
    "l--NnNnNnn--OoOoOo--RrRrRrSsSsSs"
    "SsTtTt--UuUuUuUuUuUuWwYyYZzZzZzs";

bool IsIn(char c, std::string_view set) {
  return absl::ascii_isalnum(c) || set.find(c) != std::string_view::npos;
}

// As a token if it is one, else quoted. Control characters have no place in a
// header.
std::string Quoted(std::string_view value) {
  const auto is_token = [](char c) { return IsIn(c, "!#$%&'*+-.^_`|~"); };
  if (!value.empty() && std::all_of(value.begin(), value.end(), is_token)) {
    return std::string(value);
  }
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += absl::ascii_iscntrl(c) ? '_' : c;
  }
  return quoted + "\"";
}

// The character in the two bytes of UTF-8 at `at`.
char32_t TwoByteCharacter(std::string_view text, size_t at) {
  return (text[at] & 0x1F) << 6 | (text[at + 1] & 0x3F);
}

std::string WithoutMarks(std::string_view name) {
  std::string plain;
  for (size_t at = 0; at < name.size();) {
    const size_t length = std::max<size_t>(Utf8SequenceLength(name, at), 1);
    if (static_cast<unsigned char>(name[at]) < 0x80) {
      plain += name[at];
    } else if (length == 2) {
      const char32_t c = TwoByteCharacter(name, at);
      if (c >= kLatinBegin && c - kLatinBegin < kLatin.size() &&
          kLatin[c - kLatinBegin] != '-') {
        plain += kLatin[c - kLatinBegin];
      }
    }
    at += length;
  }
  return plain.empty() ? "download" : plain;
}

std::string Encoded(std::string_view name) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : name) {
    if (IsIn(c, "!#$&+-.^_`|~")) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

}  // namespace

std::string AttachmentDisposition(std::string_view file_name) {
  const bool ascii =
      std::all_of(file_name.begin(), file_name.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return StrCat("attachment; filename=", Quoted(file_name));
  return StrCat("attachment; filename=", Quoted(WithoutMarks(file_name)),
                "; filename*=UTF-8''", Encoded(file_name));
}

}  // namespace millstream::gateway
