#include "base/names.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace millstream {
namespace {

bool IsKeyCharacter(char32_t c) {
  return IsWordCharacter(c) || c == '/' || c == '.' || c == '-' || c == ' ' ||
         c == ':';
}

}  // namespace

std::string NormalizePath(std::string_view path) {
  if (path.empty()) return ".";
  size_t slashes = 0;
  while (slashes < path.size() && path[slashes] == '/') ++slashes;
  std::vector<std::string_view> parts;
  for (std::string_view rest = path; !rest.empty();) {
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (slashes == 0) {
      parts.push_back(part);
    }
  }
  std::string result(slashes == 0 ? 0 : slashes == 2 ? 2 : 1, '/');
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) result += '/';
    result += parts[i];
  }
  return result.empty() ? "." : result;
}

bool IsAmbiguousPath(std::string_view name) {
  const std::string normal = NormalizePath(name);
  return normal != name || normal == "." || normal.starts_with("..") ||
         normal.starts_with("/");
}

absl::Status CheckKey(std::string_view field, std::string_view key) {
  for (std::string_view rest = key; !rest.empty();) {
    if (!IsKeyCharacter(TakeCharacter(&rest))) {
      return InvalidParameter(
          "Invalid '", field, "': '", Shown(key),
          "'. Use only letters, digits, underscores, dashes, periods, spaces, "
          "colons and slashes.");
    }
  }
  if (IsAmbiguousPath(key)) {
    return InvalidParameter(
        "Invalid '", field, "': '", Shown(key), "'. As a path it would mean '",
        Shown(NormalizePath(key)),
        "'; choose a name that cannot be read in two ways.");
  }
  return absl::OkStatus();
}

absl::Status CheckLength(std::string_view field, size_t limit,
                         std::string_view value) {
  // Characters are never more than bytes.
  if (value.size() <= limit || CountCharacters(value) <= limit) {
    return absl::OkStatus();
  }
  return InvalidParameter("'", field, "' is longer than the ", limit,
                          " characters allowed.");
}

}  // namespace millstream
