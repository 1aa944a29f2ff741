// Where a model version may come from: the rules for its source URI that need
// no store. A source is kept by the server and opened later, by clients and by
// the server itself, so it must not lead out of what the caller may name: to
// files of the server's machine, to other runs' artifacts, to foreign hosts.
//
// All functions are thread-safe. Every error is INVALID_PARAMETER_VALUE.
#ifndef MILLSTREAM_SERVER_MODEL_SOURCE_H_
#define MILLSTREAM_SERVER_MODEL_SOURCE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millstream::server {

// "models:/<model id>", or one way to name a version of a registered model:
// "models:/<name>/<version>", "/<stage>", "/latest", or "<name>@<alias>".
struct ModelsUri {
  enum class Kind { kModelId, kVersion, kStage, kLatest, kAlias };
  Kind kind = Kind::kModelId;
  std::string name;  // of the registered model; the id for kModelId
  std::string text;  // version, stage or alias as written
};
absl::StatusOr<ModelsUri> ParseModelsUri(std::string_view source);

// What all sources keep to: bounded length, no scheme by which the server
// would connect to a host that the caller names.
absl::Status CheckSource(std::string_view source);

// No "..", NUL or other detour in the path, in any number of percent-encodings,
// and a path there is.
absl::Status CheckPlainPath(std::string_view source);

// A path of the server's machine, or a file: URI of one.
// INVALID_PARAMETER_VALUE: a file: URI that names another machine.
absl::StatusOr<bool> IsLocalSource(std::string_view source);

// Served by the artifact proxy of this server.
bool IsProxiedSource(std::string_view source);

// Whether `source` is `root` or below it: same scheme, same authority, paths
// compared part by part, decoded.
// REQUIRES: CheckPlainPath(source).ok().
bool IsWithinUri(std::string_view source, std::string_view root);

// The same for two local paths or file: URIs; false for a path that is
// relative or has a detour.
bool IsWithinLocalPath(std::string_view source, std::string_view root);

// The run of "runs:/<run id>/<path>"; empty if it names none.
std::string RunOfSource(std::string_view source);

// The placeholders that stand where a prompt has no source.
bool IsPromptPlaceholder(std::string_view source);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_MODEL_SOURCE_H_
