// What MLflow demands of the values that callers send, beyond presence
// (required_fields.h) and names (names.h).
//
// All functions are thread-safe. Unless another code is named, every error is
// INVALID_PARAMETER_VALUE.
#ifndef MILLSTREAM_SERVER_VALIDATION_H_
#define MILLSTREAM_SERVER_VALIDATION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"

namespace millstream::server {

// The error for a field that must be there and is not.
absl::Status MissingParameter(std::string_view field);

// The run that a request is about: run_id, or, for old clients, run_uuid. An
// error if there is neither, or the one that counts is empty. Borrows from
// `request`.
template <typename Request>
absl::StatusOr<std::string_view> RunIdOf(const Request& request) {
  const std::string& id =
      request.has_run_id() ? request.run_id() : request.run_uuid();
  if (id.empty()) return MissingParameter("run_id");
  return std::string_view(id);
}

// A run's id in a batch: a letter or digit of ASCII, then up to 255 word
// characters or dashes.
absl::Status CheckRunId(std::string_view run_id);

absl::Status CheckExperimentName(std::string_view name);

// A URI, or a folder, that new runs may keep their artifacts below: no
// fragment, no address of another host that the server would be made to call.
absl::Status CheckArtifactLocation(std::string_view location);

// Whether the path of a URI or folder has a segment "..", however often its
// characters are escaped.
bool LeadsUpwards(std::string_view location);

absl::Status CheckExperimentTag(std::string_view key, std::string_view value);

// Key and value of a run's tag or param; returns the value to keep: MLflow cuts
// what is too long. `field` is how the caller calls it, such as "tags[3]";
// empty for the request itself.
absl::StatusOr<std::string_view> CheckRunTag(std::string_view field,
                                             std::string_view key,
                                             std::string_view value);
absl::StatusOr<std::string_view> CheckParam(std::string_view field,
                                            std::string_view key,
                                            std::string_view value);

// How many tags something is made with.
absl::Status CheckTagCount(int count);

absl::Status CheckRunName(std::string_view name);

// From 1 to `limit`.
absl::Status CheckMaxResults(int64_t max_results, int64_t limit);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_VALIDATION_H_
