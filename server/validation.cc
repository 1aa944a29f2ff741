#include "server/validation.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "base/text.h"
#include "server/uri.h"

namespace millstream::server {
namespace {

// Whether ".." is in `text`, however often its characters were escaped.
bool HidesDotDot(std::string_view text) {
  const std::optional<std::string> decoded = DecodePercentFully(text);
  return !decoded.has_value() || decoded->find("..") != std::string::npos;
}

std::string FieldName(std::string_view field, std::string_view part) {
  return field.empty() ? std::string(part) : StrCat(field, ".", part);
}

}  // namespace

absl::Status MissingParameter(std::string_view field) {
  return InvalidParameter("Missing value for required parameter '", field,
                          "'.");
}

absl::Status CheckRunId(std::string_view run_id) {
  std::string_view rest = run_id;
  bool valid = !rest.empty() && absl::ascii_isalnum(rest[0]);
  size_t length = 0;
  while (valid && !rest.empty()) {
    const char32_t c = TakeCharacter(&rest);
    valid =
        ++length <= limits::kRunIdLengthMax && (IsWordCharacter(c) || c == '-');
  }
  if (valid) return absl::OkStatus();
  return InvalidParameter("Invalid value '", Shown(run_id),
                          "' for parameter 'run_id'. Send the id that "
                          "creating the run returned.");
}

absl::Status CheckExperimentName(std::string_view name) {
  if (name.empty()) return MissingParameter("name");
  return CheckLength("name", limits::kExperimentNameLengthMax, name);
}

absl::Status CheckArtifactLocation(std::string_view location) {
  RETURN_IF_ERROR(CheckLength("artifact_location",
                              limits::kArtifactLocationLengthMax, location));
  if (location.find('#') != std::string_view::npos) {
    return InvalidParameter(
        "'artifact_location' must not have a fragment ('#...').");
  }
  const size_t mark = location.find('?');
  if (mark != std::string_view::npos && HidesDotDot(location.substr(mark))) {
    return InvalidParameter(
        "'artifact_location' must not have '..' in its query.");
  }
  if (std::any_of(location.begin(), location.end(), absl::ascii_iscntrl)) {
    return InvalidParameter(
        "'artifact_location' must not have control characters.");
  }
  const Uri uri = SplitUri(location);
  if (NamesHostToCall(uri)) {
    return InvalidParameter(
        "'artifact_location' must not name a host that the server would have "
        "to call (scheme '",
        uri.scheme, "').");
  }
  if (uri.scheme == "runs") {
    return InvalidParameter(
        "'artifact_location' must not name a run ('runs:/...').");
  }
  return absl::OkStatus();
}

bool LeadsUpwards(std::string_view location) {
  const std::optional<std::string> path =
      DecodePercentFully(SplitUri(location).path);
  if (!path.has_value()) return true;
  for (std::string_view part : SplitPath(*path)) {
    if (part == "..") return true;
  }
  return false;
}

absl::Status CheckExperimentTag(std::string_view key, std::string_view value) {
  RETURN_IF_ERROR(CheckKey("key", key));
  RETURN_IF_ERROR(CheckLength("key", limits::kExperimentTagKeyLengthMax, key));
  return CheckLength("value", limits::kExperimentTagValueLengthMax, value);
}

absl::StatusOr<std::string_view> CheckRunTag(std::string_view field,
                                             std::string_view key,
                                             std::string_view value) {
  const std::string key_field = FieldName(field, "key");
  RETURN_IF_ERROR(CheckKey(key_field, key));
  RETURN_IF_ERROR(CheckLength(key_field, limits::kKeyLengthMax, key));
  return FirstCharacters(value, limits::kTagValueLengthMax);
}

absl::StatusOr<std::string_view> CheckParam(std::string_view field,
                                            std::string_view key,
                                            std::string_view value) {
  const std::string key_field = FieldName(field, "key");
  RETURN_IF_ERROR(CheckKey(key_field, key));
  RETURN_IF_ERROR(CheckLength(key_field, limits::kKeyLengthMax, key));
  return FirstCharacters(value, limits::kParamValueLengthMax);
}

absl::Status CheckTagCount(int count) {
  if (count <= limits::kCreateTagsMax) return absl::OkStatus();
  return InvalidParameter("Nothing is made with more than ",
                          limits::kCreateTagsMax, " tags, this has ", count,
                          ". Set the others afterwards.");
}

absl::Status CheckRunName(std::string_view name) {
  return CheckLength("run_name", limits::kRunNameLengthMax, name);
}

absl::Status CheckMaxResults(int64_t max_results, int64_t limit) {
  if (max_results >= 1 && max_results <= limit) return absl::OkStatus();
  return InvalidParameter("Invalid value ", max_results,
                          " for parameter 'max_results': it must be from 1 to ",
                          limit, ".");
}

}  // namespace millstream::server
