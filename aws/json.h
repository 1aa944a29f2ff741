// JSON documents that hold keys and secrets: objects of texts.
#ifndef MILLSTREAM_AWS_JSON_H_
#define MILLSTREAM_AWS_JSON_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace millstream::aws {

// The members of a JSON object that are texts, numbers (as they are written) or
// "true" and "false"; what else it holds is left out. INVALID_ARGUMENT, which
// repeats nothing of it, if it is no object. Thread-safe.
absl::StatusOr<std::map<std::string, std::string, std::less<>>> ParseJsonObject(
    std::string_view json);

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_JSON_H_
