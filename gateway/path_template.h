// Templates of paths: "/mlflow/logged-models/{model_id}/tags/{tag_key}".
#ifndef MILLSTREAM_GATEWAY_PATH_TEMPLATE_H_
#define MILLSTREAM_GATEWAY_PATH_TEMPLATE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/handler.h"

namespace millstream::gateway {

// Immutable and thread-safe.
class PathTemplate {
 public:
  // The grammar:
  //   template = "/" segment { "/" segment } [ "/" ]  or  "/"
  //   segment  = literal | "{" name "}" | "{" name "=**}" (the last one only)
  //   name     = letters, digits and "_", not starting with a digit
  //   literal  = any characters but "/", "{", "}", "%", "?" and "#"
  // INVALID_ARGUMENT, saying where, for anything else, for empty segments
  // within and for a name used twice.
  static absl::StatusOr<PathTemplate> Parse(std::string_view text);

  const std::string& text() const { return text_; }
  const std::vector<std::string>& variables() const { return variables_; }

  // Whether `path`, decoded, fits; then `*values` holds its variables, which
  // borrow their names from this. {name} stands for one segment that is not
  // empty, {name=**} for all that is left, with its slashes, not empty either.
  bool Match(std::string_view path, PathVariables* values) const;

  // Whether some path fits both.
  bool Overlaps(const PathTemplate& other) const;

 private:
  enum class Kind { kLiteral, kVariable, kRest };
  struct Segment {
    Kind kind;
    // The literal, or the variable's name.
    std::string text;
  };

  std::string text_;
  std::vector<Segment> segments_;
  std::vector<std::string> variables_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_PATH_TEMPLATE_H_
