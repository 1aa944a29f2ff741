// Names that callers choose: which are allowed, as MLflow decides it.
//
// Thread-safe. Every error is INVALID_PARAMETER_VALUE.
#ifndef MILLSTREAM_BASE_NAMES_H_
#define MILLSTREAM_BASE_NAMES_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace millstream {

// `path` with "." , ".." and repeated slashes resolved, by text alone; "." if
// nothing is left. Two leading slashes stay two, as POSIX has it.
std::string NormalizePath(std::string_view path);

// A name that would be another one if taken for a path: "a/../b", "a//b",
// "a/", "../a", "/a", ".", "".
bool IsAmbiguousPath(std::string_view name);

// Key of a metric, param or tag: letters and digits of any script and
// "_-. :/", no ambiguous path. `field` is how the caller calls it, such as
// "metrics[3].key".
absl::Status CheckKey(std::string_view field, std::string_view key);

// At most `limit` characters.
absl::Status CheckLength(std::string_view field, size_t limit,
                         std::string_view value);

}  // namespace millstream

#endif  // MILLSTREAM_BASE_NAMES_H_
