// What callers may call things of the model registry, as MLflow decides it.
//
// Thread-safe. Every error is INVALID_PARAMETER_VALUE.
#ifndef MILLSTREAM_SERVER_REGISTRY_NAMES_H_
#define MILLSTREAM_SERVER_REGISTRY_NAMES_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millstream::server {

// Name of a registered model or prompt: not blank, without '/' and ':', not to
// be taken for "." or "..". `field` is how the caller calls it.
absl::Status CheckModelName(std::string_view field, std::string_view name);

// Letters, digits, '_' and '-', 255 at most.
absl::Status CheckAlias(std::string_view alias);
// The same, for an alias about to be set: "latest" and "v1" name versions.
absl::Status CheckNewAlias(std::string_view alias);

// Tag of a registered model or of a version.
absl::Status CheckRegistryTag(std::string_view key, std::string_view value);

// Text that is kept as it is, such as a description.
absl::Status CheckRegistryText(std::string_view field, std::string_view value);

// A version number as Python's int() reads it: " 1", "+1" and "01" are 1.
absl::StatusOr<int64_t> ParseVersion(std::string_view version);

// The stage in its one spelling ("production" is "Production").
absl::StatusOr<std::string_view> ParseStage(std::string_view stage);

// Name of a logged model: not empty, without / : . % " and '.
absl::Status CheckLoggedModelName(std::string_view name);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_REGISTRY_NAMES_H_
