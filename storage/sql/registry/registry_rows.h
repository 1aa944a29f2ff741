// Rows of the model registry, as several files of this folder read them.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_STORAGE_SQL_REGISTRY_REGISTRY_ROWS_H_
#define MILLSTREAM_STORAGE_SQL_REGISTRY_REGISTRY_ROWS_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "millstream/v1/entities.pb.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// MLflow's column; workspaces are not supported, all is in this one.
inline constexpr std::string_view kWorkspace = "default";
// Stage of a version that was deleted. Its row keeps its number taken.
inline constexpr std::string_view kStageDeletedInternal = "Deleted_Internal";

// Columns of a registered model, in the order in which ReadRegisteredModel
// reads them.
inline constexpr std::string_view kRegisteredModelColumns[] = {
    "name", "creation_time", "last_updated_time", "description"};

// Columns of a version, in the order in which ReadModelVersion reads them.
inline constexpr std::string_view kModelVersionColumns[] = {
    "name",          "version",     "creation_time", "last_updated_time",
    "description",   "user_id",     "current_stage", "source",
    "run_id",        "run_link",    "status",        "status_message"};

// The current row, without what other tables hold.
void ReadRegisteredModel(const Statement& row, v1::RegisteredModel* model);
void ReadModelVersion(const Statement& row, v1::ModelVersion* version);

// A registered model with all that belongs to it. RESOURCE_DOES_NOT_EXIST.
absl::Status LoadRegisteredModel(Connection& connection, std::string_view name,
                                 v1::RegisteredModel* model);

// A version with its tags and aliases. RESOURCE_DOES_NOT_EXIST.
absl::Status LoadModelVersion(Connection& connection, std::string_view name,
                              int64_t version, v1::ModelVersion* found);

// RESOURCE_DOES_NOT_EXIST, or OK.
absl::Status CheckModelExists(Connection& connection, std::string_view name);
absl::Status CheckVersionExists(Connection& connection, std::string_view name,
                                int64_t version);

// In which order the newest versions of a model stand.
enum class StageOrder {
  kByFirstUse,  // of the stage, by a version that is not deleted
  kByName,      // of the stage
};

// Adds tags, aliases and the newest version of each stage to `models`, whose
// names are distinct. A constant number of statements per kInListMax models.
absl::Status LoadModelParts(Connection& connection,
                            absl::Span<v1::RegisteredModel* const> models,
                            StageOrder order);

// Adds the tags of `versions`, which are distinct, to them. One statement per
// kInListMax versions.
absl::Status LoadVersionTags(Connection& connection,
                             absl::Span<v1::ModelVersion* const> versions);

// Adds the aliases of `versions`, all of the model `name`, to them.
absl::Status LoadVersionAliases(Connection& connection, std::string_view name,
                                absl::Span<v1::ModelVersion* const> versions);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_REGISTRY_REGISTRY_ROWS_H_
