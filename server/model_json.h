// The tag "mlflow.log-model.history": a JSON list of what is known of each
// model that a run logged, written as MLflow's own server writes it.
//
// All functions are thread-safe. Every error is INVALID_PARAMETER_VALUE.
#ifndef MILLSTREAM_SERVER_MODEL_JSON_H_
#define MILLSTREAM_SERVER_MODEL_JSON_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace millstream::server {

inline constexpr std::string_view kLoggedModelsTag = "mlflow.log-model.history";

// The list's entry for an MLmodel file, given as JSON: its run_id,
// artifact_path, utc_time_created, model_uuid and flavors (without their
// "config"). An error if it is no JSON object, or one of these (but model_uuid)
// is missing or of another type.
absl::StatusOr<std::string> LoggedModelEntry(std::string_view model_json);

// `list`, the tag's value if it has one, with `entry` at its end. An error if
// the value is no JSON list, or would grow beyond
// limits::kLoggedModelsBytesMax.
absl::StatusOr<std::string> AppendEntry(std::optional<std::string_view> list,
                                        std::string_view entry);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_MODEL_JSON_H_
