// StrCat and StrAppend for std::string_view: Debian's Abseil has a string_view
// of its own, which absl::StrCat wants.
#ifndef MILLSTREAM_BASE_STR_CAT_H_
#define MILLSTREAM_BASE_STR_CAT_H_

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace millstream {

// `text` as Abseil's functions take it; borrows.
inline absl::string_view AbslView(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}
// And back.
inline std::string_view StdView(absl::string_view text) {
  return std::string_view(text.data(), text.size());
}

namespace internal {
template <typename T>
const T& StrCatPiece(const T& piece) {
  return piece;
}
inline absl::string_view StrCatPiece(const std::string_view& piece) {
  return AbslView(piece);
}
}  // namespace internal

// Arguments as for absl::StrCat, std::string_view among them.
template <typename... Args>
std::string StrCat(const Args&... args) {
  return absl::StrCat(internal::StrCatPiece(args)...);
}
template <typename... Args>
void StrAppend(std::string* out, const Args&... args) {
  absl::StrAppend(out, internal::StrCatPiece(args)...);
}

}  // namespace millstream

#endif  // MILLSTREAM_BASE_STR_CAT_H_
