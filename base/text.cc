#include "base/text.h"

#include <locale.h>

#include <algorithm>
#include <cwctype>
#include <iterator>
#include <utility>

namespace millstream {
namespace {

constexpr char32_t kNoCharacter = 0xFFFD;

// Bytes of the character that `lead` begins; 1 for bytes that begin none.
int SequenceLength(unsigned char lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 1;
}

// Character classes of all scripts, whatever the locale of the process.
locale_t Utf8Locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

// Numbers that C does not call digits and Python's patterns do, such as the
// one in "R²": raised, lowered, in fractions and in circles.
bool IsOtherNumber(char32_t c) {
  static constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0xB2, 0xB3},     {0xB9, 0xB9},     {0xBC, 0xBE},     {0x2070, 0x2070},
      {0x2074, 0x2079}, {0x2080, 0x2089}, {0x2150, 0x215F}, {0x2189, 0x2189},
      {0x2460, 0x249B}, {0x24EA, 0x24FF}, {0x2776, 0x2793}, {0x3192, 0x3195},
      {0x3220, 0x3229}, {0x3248, 0x324F}, {0x3251, 0x325F}, {0x3280, 0x3289},
      {0x32B1, 0x32BF}};
  return std::any_of(
      std::begin(kRanges), std::end(kRanges),
      [c](const auto& range) { return c >= range.first && c <= range.second; });
}

}  // namespace

char32_t TakeCharacter(std::string_view* text) {
  const unsigned char lead = static_cast<unsigned char>(text->front());
  const int length = SequenceLength(lead);
  if (length == 1) {
    text->remove_prefix(1);
    return lead < 0x80 ? lead : kNoCharacter;
  }
  if (text->size() < static_cast<size_t>(length)) {
    text->remove_prefix(1);
    return kNoCharacter;
  }
  char32_t c = lead & (0x7F >> length);
  for (int i = 1; i < length; ++i) {
    const unsigned char next = static_cast<unsigned char>((*text)[i]);
    if ((next & 0xC0) != 0x80) {
      text->remove_prefix(1);
      return kNoCharacter;
    }
    c = (c << 6) | (next & 0x3F);
  }
  text->remove_prefix(length);
  return c;
}

size_t CountCharacters(std::string_view text) {
  size_t count = 0;
  while (!text.empty()) {
    TakeCharacter(&text);
    ++count;
  }
  return count;
}

std::string_view FirstCharacters(std::string_view text, size_t count) {
  if (text.size() <= count) return text;
  std::string_view rest = text;
  for (size_t i = 0; i < count && !rest.empty(); ++i) TakeCharacter(&rest);
  return text.substr(0, text.size() - rest.size());
}

bool IsWordCharacter(char32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '_';
  }
  if (Utf8Locale() == nullptr || c == kNoCharacter) return false;
  return iswalnum_l(static_cast<wint_t>(c), Utf8Locale()) != 0 ||
         IsOtherNumber(c);
}

bool IsSpaceCharacter(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
  // The no-break spaces, which C does not call white space.
  if (c == 0x85 || c == 0xA0 || c == 0x2007 || c == 0x202F) return true;
  if (Utf8Locale() == nullptr) return false;
  return iswspace_l(static_cast<wint_t>(c), Utf8Locale()) != 0;
}

std::string_view StripSpace(std::string_view text) {
  while (!text.empty()) {
    std::string_view rest = text;
    if (!IsSpaceCharacter(TakeCharacter(&rest))) break;
    text = rest;
  }
  size_t end = 0;
  for (std::string_view rest = text; !rest.empty();) {
    if (!IsSpaceCharacter(TakeCharacter(&rest))) {
      end = text.size() - rest.size();
    }
  }
  return text.substr(0, end);
}

}  // namespace millstream
