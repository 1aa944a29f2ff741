#include "storage/artifact_path.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"

namespace millstream::storage {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `s`, or 0 with
// `*bad` set to the length of the maximal ill-formed part.
size_t Utf8Length(std::string_view s, size_t* bad) {
  const auto at = [&](size_t i) -> unsigned {
    return i < s.size() ? static_cast<unsigned char>(s[i]) : 0;
  };
  const unsigned lead = at(0);
  *bad = 1;
  if (lead < 0x80) return 1;
  size_t length = 0;
  // The second byte's range keeps out overlong forms and surrogates.
  unsigned low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if (at(i) < low || at(i) > high) {
      *bad = i;
      return 0;
    }
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Percent-decodes once. Bytes that make no UTF-8 become U+FFFD.
std::string DecodeOnce(std::string_view s) {
  std::string decoded;
  decoded.reserve(s.size());
  std::string run;  // decoded bytes of a run of ASCII characters
  for (size_t i = 0; i < s.size(); ++i) {
    if (static_cast<unsigned char>(s[i]) >= 0x80) {
      decoded += ToValidUtf8(run);
      run.clear();
      decoded += s[i];
    } else if (s[i] == '%' && i + 2 < s.size() && HexDigit(s[i + 1]) >= 0 &&
               HexDigit(s[i + 2]) >= 0) {
      run += static_cast<char>(HexDigit(s[i + 1]) * 16 + HexDigit(s[i + 2]));
      i += 2;
    } else {
      run += s[i];
    }
  }
  decoded += ToValidUtf8(run);
  return decoded;
}

// Length of a URI scheme at the start of `s`, without its ":"; 0 if none.
size_t SchemeLength(std::string_view s) {
  const size_t colon = s.find(':');
  if (colon == std::string_view::npos || colon == 0 ||
      !absl::ascii_isalpha(static_cast<unsigned char>(s[0]))) {
    return 0;
  }
  for (char c : s.substr(0, colon)) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '+' &&
        c != '-' && c != '.') {
      return 0;
    }
  }
  return colon;
}

// What a URL parser makes of `s`, written out again: no control characters or
// blanks in front, no tabs or line ends, schemes in lower case, and no empty
// fragment, query or parameters at the end.
std::string NormalizeOnce(std::string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s[0]) <= ' ') {
    s.remove_prefix(1);
  }
  std::string url;
  url.reserve(s.size());
  for (char c : s) {
    if (c != '\t' && c != '\n' && c != '\r') url += c;
  }
  const size_t scheme = SchemeLength(url);
  for (size_t i = 0; i < scheme; ++i) {
    url[i] = absl::ascii_tolower(static_cast<unsigned char>(url[i]));
  }
  // A lone "#" or "?" at the end opens an empty fragment or query.
  if (const size_t hash = url.find('#'); hash != std::string::npos) {
    if (hash + 1 == url.size()) url.pop_back();
  }
  if (url.find('#') != std::string::npos) return url;
  size_t path_end = url.find('?');
  if (path_end != std::string::npos && path_end + 1 == url.size()) {
    url.pop_back();
  }
  path_end = std::min(path_end, url.size());
  // So does a ";" in the last component, with parameters.
  const std::string_view path = std::string_view(url).substr(0, path_end);
  const size_t slash = path.rfind('/');
  const size_t semicolon =
      path.find(';', slash == std::string_view::npos ? 0 : slash);
  if (scheme == 0 && semicolon != std::string_view::npos &&
      semicolon + 1 == path_end) {
    url.erase(semicolon, 1);
  }
  return url;
}

// Decoded until nothing changes; nullopt if that takes too long.
std::optional<std::string> DecodeFully(std::string_view sent) {
  std::string url(sent);
  for (int i = 0; i <= limits::kEncodingsMax; ++i) {
    std::string next = NormalizeOnce(DecodeOnce(url));
    if (next == url) return url;
    url = std::move(next);
  }
  return std::nullopt;
}

std::string EscapeControlCharacters(std::string_view s) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string escaped;
  escaped.reserve(s.size());
  for (char c : s) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      escaped += '%';
      escaped += kHex[byte >> 4];
      escaped += kHex[byte & 15];
    } else {
      escaped += c;
    }
  }
  return escaped;
}

bool IsAbsolute(std::string_view path) {
  const auto is_slash = [&](size_t i) {
    return i < path.size() && (path[i] == '/' || path[i] == '\\');
  };
  // Roots ("\x"), shares ("\\host\share") and drives ("c:\x") of Windows: a
  // client there would take such a name for a path of its own.
  if (is_slash(0)) return true;
  return path.size() >= 3 && path[1] == ':' && is_slash(2) &&
         absl::ascii_isalpha(static_cast<unsigned char>(path[0]));
}

// Whether ".." is between the backslashes of a name.
bool LeavesFolderOnWindows(std::string_view name) {
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('\\', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

// Cuts the first component off `*path`, and the slash behind it.
std::string_view NextName(std::string_view* path) {
  const size_t slash = path->find('/');
  const std::string_view name = path->substr(0, slash);
  path->remove_prefix(slash == std::string_view::npos ? path->size()
                                                      : slash + 1);
  return name;
}

absl::Status CheckLength(std::string_view canonical) {
  if (canonical.size() > limits::kArtifactPathBytesMax) {
    return InvalidParameter("Invalid path: longer than ",
                            limits::kArtifactPathBytesMax, " bytes.");
  }
  return absl::OkStatus();
}

}  // namespace

std::string ToValidUtf8(std::string_view bytes) {
  std::string valid;
  valid.reserve(bytes.size());
  while (!bytes.empty()) {
    size_t bad = 0;
    const size_t good = Utf8Length(bytes, &bad);
    if (good > 0) {
      valid += bytes.substr(0, good);
    } else {
      valid += "\xEF\xBF\xBD";
    }
    bytes.remove_prefix(good > 0 ? good : bad);
  }
  return valid;
}

absl::StatusOr<ArtifactPath> ArtifactPath::Parse(std::string_view sent) {
  if (sent.size() > limits::kArtifactPathSentBytesMax) {
    return InvalidParameter("Invalid path: longer than ",
                            limits::kArtifactPathSentBytesMax, " bytes.");
  }
  std::optional<std::string> decoded = DecodeFully(ToValidUtf8(sent));
  if (!decoded.has_value()) {
    return InvalidParameter("Invalid path: percent-encoded too many times.");
  }
  std::string text = EscapeControlCharacters(*decoded);
  if (text.find('#') != std::string::npos) {
    return InvalidParameter("Invalid path: '#' cannot be part of a name.");
  }
  if (text.starts_with("file:")) {
    return InvalidParameter(
        "Invalid path: give a path relative to the artifact root, not a URI.");
  }
  if (IsAbsolute(text)) {
    return InvalidParameter(
        "Invalid path: give a path relative to the artifact root.");
  }
  std::string canonical;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view part = NextName(&rest);
    if (part.empty() || part == ".") continue;
    if (IsAbsolute(part)) {
      return InvalidParameter(
          "Invalid path: a name in it is an absolute path of Windows.");
    }
    if (LeavesFolderOnWindows(part)) {
      return InvalidParameter("Invalid path: '..' cannot be part of it.");
    }
    if (part.size() > limits::kArtifactNameBytesMax) {
      return InvalidParameter("Invalid path: a name in it is longer than ",
                              limits::kArtifactNameBytesMax, " bytes.");
    }
    if (!canonical.empty()) canonical += '/';
    canonical += part;
  }
  RETURN_IF_ERROR(CheckLength(canonical));
  return ArtifactPath(std::move(text), std::move(canonical));
}

absl::StatusOr<ArtifactPath> ArtifactPath::Join(
    const ArtifactPath& below) const {
  const auto join = [](const std::string& a, const std::string& b) {
    if (a.empty() || a.back() == '/') return absl::StrCat(a, b);
    return absl::StrCat(a, "/", b);
  };
  std::string canonical = below.IsRoot() ? canonical_
                          : IsRoot()     ? below.canonical_
                                         : join(canonical_, below.canonical_);
  RETURN_IF_ERROR(CheckLength(canonical));
  return ArtifactPath(join(text_, below.text_), std::move(canonical));
}

std::string_view ArtifactPath::name() const {
  const std::string_view path = canonical_;
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool ArtifactPath::NamesFile() const {
  const std::string_view last = name();
  std::string_view sent = text_;
  if (last.empty() || !sent.ends_with(last)) return false;
  sent.remove_suffix(last.size());
  while (sent.ends_with('/')) sent.remove_suffix(1);
  std::string_view folder = canonical_;
  folder.remove_suffix(std::min(folder.size(), last.size() + 1));
  return sent == folder;
}

bool ArtifactPath::IsReserved() const {
  for (std::string_view rest = canonical_; !rest.empty();) {
    if (NextName(&rest).starts_with(kReservedPrefix)) return true;
  }
  return false;
}

}  // namespace millstream::storage
