#include "gateway/path_template.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/str_cat.h"

namespace millstream::gateway {
namespace {

bool IsName(std::string_view text) {
  if (text.empty() || absl::ascii_isdigit(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_';
  });
}

absl::Status Fault(std::string_view text, size_t at, std::string_view what) {
  return absl::InvalidArgumentError(
      StrCat("Path template \"", text, "\", column ", at + 1, ": ", what));
}

// The segment that `*rest` starts with, taken off it; `*rest` starts at its
// "/" before and after.
std::string_view TakeSegment(std::string_view* rest) {
  rest->remove_prefix(1);
  const size_t end = std::min(rest->find('/'), rest->size());
  const std::string_view segment = rest->substr(0, end);
  rest->remove_prefix(end);
  return segment;
}

}  // namespace

absl::StatusOr<PathTemplate> PathTemplate::Parse(std::string_view text) {
  PathTemplate result;
  result.text_ = std::string(text);
  if (text.empty() || text[0] != '/') {
    return Fault(text, 0, "a path starts with \"/\".");
  }
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t at = text.size() - rest.size() + 1;
    std::string_view segment = TakeSegment(&rest);
    // Only the last may be empty: the path ends with "/".
    if (segment.empty() && !rest.empty()) {
      return Fault(text, at, "a segment is empty.");
    }
    Kind kind = Kind::kLiteral;
    if (!segment.empty() && segment.front() == '{' && segment.back() == '}') {
      kind = Kind::kVariable;
      segment = segment.substr(1, segment.size() - 2);
      if (const size_t equals = segment.find('=');
          equals != std::string_view::npos) {
        if (segment.substr(equals) != "=**") {
          return Fault(text, at, "only \"=**\" may follow a name.");
        }
        if (!rest.empty()) {
          return Fault(text, at, "\"=**\" must come last.");
        }
        kind = Kind::kRest;
        segment = segment.substr(0, equals);
      }
      if (!IsName(segment)) return Fault(text, at, "this is no name.");
      std::vector<std::string>& names = result.variables_;
      if (std::find(names.begin(), names.end(), segment) != names.end()) {
        return Fault(text, at, "this name was used before.");
      }
      names.emplace_back(segment);
    } else if (segment.find_first_of("{}%?#") != std::string_view::npos) {
      return Fault(text, at, "a literal has none of {}%?# in it.");
    }
    result.segments_.push_back({kind, std::string(segment)});
  }
  return result;
}

bool PathTemplate::Match(std::string_view path, PathVariables* values) const {
  values->clear();
  for (const Segment& segment : segments_) {
    if (path.empty()) return false;
    if (segment.kind == Kind::kRest) {
      path.remove_prefix(1);
      if (path.empty()) return false;
      values->emplace_back(segment.text, std::string(path));
      return true;
    }
    const std::string_view part = TakeSegment(&path);
    if (segment.kind == Kind::kLiteral) {
      if (part != segment.text) return false;
    } else {
      if (part.empty()) return false;
      values->emplace_back(segment.text, std::string(part));
    }
  }
  return path.empty();
}

bool PathTemplate::Overlaps(const PathTemplate& other) const {
  const size_t common = std::min(segments_.size(), other.segments_.size());
  for (size_t i = 0; i < common; ++i) {
    const Segment& a = segments_[i];
    const Segment& b = other.segments_[i];
    if (a.kind == Kind::kRest || b.kind == Kind::kRest) return true;
    if (a.kind == Kind::kLiteral && b.kind == Kind::kLiteral &&
        a.text != b.text) {
      return false;
    }
  }
  return segments_.size() == other.segments_.size();
}

}  // namespace millstream::gateway
