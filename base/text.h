// UTF-8 text by the character: what MLflow counts its limits in.
//
// All functions are thread-safe. Bytes that are no UTF-8 count as one
// character each, which is no word character.
#ifndef MILLSTREAM_BASE_TEXT_H_
#define MILLSTREAM_BASE_TEXT_H_

#include <cstddef>
#include <string_view>

namespace millstream {

// Takes the first character off `text`. REQUIRES: !text->empty().
char32_t TakeCharacter(std::string_view* text);

// Number of characters.
size_t CountCharacters(std::string_view text);

// The first `count` characters of `text`, or all of it.
std::string_view FirstCharacters(std::string_view text, size_t count);

// A letter or digit of any script, or '_': \w in a Python pattern.
bool IsWordCharacter(char32_t c);

// White space of any script, as Python's str.strip() takes it off.
bool IsSpaceCharacter(char32_t c);

// `text` without white space at either end.
std::string_view StripSpace(std::string_view text);

}  // namespace millstream

#endif  // MILLSTREAM_BASE_TEXT_H_
