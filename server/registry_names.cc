#include "server/registry_names.h"

#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "base/text.h"

namespace millstream::server {
namespace {

bool IsVersionAlias(std::string_view alias) {
  if (alias.size() < 2 || (alias[0] != 'v' && alias[0] != 'V')) return false;
  for (char c : alias.substr(1)) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return true;
}

}  // namespace

absl::Status CheckModelName(std::string_view field, std::string_view name) {
  if (StripSpace(name).empty()) {
    return InvalidParameter("Missing value for required parameter '", field,
                            "'.");
  }
  if (name.find_first_of("/:") != std::string_view::npos) {
    return InvalidParameter("Invalid model name '", Shown(name),
                            "'. Choose a name without '/' and ':'.");
  }
  if (IsAmbiguousPath(name)) {
    return InvalidParameter("Invalid model name '", Shown(name),
                            "'. Choose a name that does not begin with '..' "
                            "and is not '.'.");
  }
  return CheckRegistryText(field, name);
}

absl::Status CheckAlias(std::string_view alias) {
  if (alias.empty()) {
    return InvalidParameter("Missing value for required parameter 'alias'.");
  }
  for (std::string_view rest = alias; !rest.empty();) {
    const char32_t c = TakeCharacter(&rest);
    if (!IsWordCharacter(c) && c != '-') {
      return InvalidParameter(
          "Invalid alias '", Shown(alias),
          "'. Use only letters, digits, underscores and dashes.");
    }
  }
  return CheckLength("alias", limits::kAliasLengthMax, alias);
}

absl::Status CheckNewAlias(std::string_view alias) {
  RETURN_IF_ERROR(CheckAlias(alias));
  if (absl::EqualsIgnoreCase(AbslView(alias), "latest")) {
    return InvalidParameter(
        "The alias 'latest' always names the newest version and cannot be "
        "set; choose another one.");
  }
  if (IsVersionAlias(alias)) {
    return InvalidParameter("The alias '", Shown(alias),
                            "' reads as a version number; choose another "
                            "one.");
  }
  return absl::OkStatus();
}

absl::Status CheckRegistryTag(std::string_view key, std::string_view value) {
  RETURN_IF_ERROR(CheckKey("key", key));
  RETURN_IF_ERROR(CheckLength("key", limits::kKeyLengthMax, key));
  return CheckLength("value", limits::kRegistryTagValueLengthMax, value);
}

absl::Status CheckRegistryText(std::string_view field, std::string_view value) {
  return CheckLength(field, limits::kRegistryTextLengthMax, value);
}

absl::StatusOr<int64_t> ParseVersion(std::string_view version) {
  std::string digits;
  std::string_view rest = StripSpace(version);
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    digits += rest[0];
    rest.remove_prefix(1);
  }
  char last = '_';
  for (char c : rest) {
    // One underscore between digits is a separator.
    if (c == '_' ? last == '_' : !absl::ascii_isdigit(c)) {
      last = '_';
      break;
    }
    if (c != '_') digits += c;
    last = c;
  }
  int64_t number = 0;
  if (last == '_' || !absl::SimpleAtoi(digits, &number)) {
    return InvalidParameter("Parameter 'version' must be an integer, got '",
                            Shown(version), "'.");
  }
  return number;
}

absl::StatusOr<std::string_view> ParseStage(std::string_view stage) {
  for (std::string_view known : {"None", "Staging", "Production", "Archived"}) {
    if (absl::EqualsIgnoreCase(AbslView(stage), AbslView(known))) return known;
  }
  return InvalidParameter("Invalid stage '", Shown(stage),
                          "'. Use None, Staging, Production or Archived.");
}

absl::Status CheckLoggedModelName(std::string_view name) {
  if (name.empty() || name.find_first_of("/:.%\"'") != std::string_view::npos) {
    return InvalidParameter(
        "Invalid model name '", Shown(name),
        "'. Choose a name that is not empty and has none of / : . % \" '");
  }
  return CheckRegistryText("name", name);
}

}  // namespace millstream::server
