// Where a new model version comes from: its source followed to the run or
// logged model that it belongs to, and checked to belong to it. No tag and no
// prompt switches the check off: a version called a prompt may have a
// placeholder for a source and nothing else.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_SERVER_MODEL_LINEAGE_H_
#define MILLSTREAM_SERVER_MODEL_LINEAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millstream/v1/registry.pb.h"

namespace millstream::storage {
class RegistryStore;
class TrackingStore;
}  // namespace millstream::storage

namespace millstream::server {

struct ModelLineage {
  // As it is kept; a version named by alias or stage is named by number.
  std::string source;
  // Empty where there is none.
  std::string run_id;
  // Of the logged model to register; empty for prompts.
  std::string model_id;
  // URI of the files.
  std::string storage_location;
};

// INVALID_PARAMETER_VALUE: the source is refused; RESOURCE_DOES_NOT_EXIST: the
// model or version that it names, or the request's model_id, is not there.
absl::StatusOr<ModelLineage> ResolveLineage(
    const v1::CreateModelVersionRequest& request,
    storage::RegistryStore& registry, storage::TrackingStore& tracking);

// OK if `location`, where the files of a version are, lies below the artifacts
// of the run or of the logged model that it was registered from, or of those of
// the version that it is a copy of: whoever registered it could read them.
// INVALID_PARAMETER_VALUE if not: it may have been registered from anywhere,
// and this server must not fetch from there on behalf of others.
absl::Status CheckOwnsFiles(storage::RegistryStore& registry,
                            storage::TrackingStore& tracking,
                            std::string_view name, int64_t version,
                            std::string_view location);

// The version that an alias names; "latest", in any case, is the newest one.
absl::Status VersionOfAlias(storage::RegistryStore& registry,
                            std::string_view name, std::string_view alias,
                            v1::ModelVersion* version);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_MODEL_LINEAGE_H_
