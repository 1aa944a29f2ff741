// Rows of logged models, as logged_models.cc reads and writes them.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_STORAGE_SQL_LOGGED_MODEL_ROWS_H_
#define MILLSTREAM_STORAGE_SQL_LOGGED_MODEL_ROWS_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "millstream/v1/entities.pb.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// Columns of a logged model, in the order in which ReadLoggedModelInfo reads
// them.
inline constexpr std::string_view kLoggedModelColumns[] = {
    "model_id",
    "experiment_id",
    "name",
    "creation_timestamp_ms",
    "last_updated_timestamp_ms",
    "artifact_location",
    "status",
    "model_type",
    "source_run_id",
    "status_message"};

// The current row, without tags.
void ReadLoggedModelInfo(const Statement& row, v1::LoggedModelInfo* info);

// All of one model; a deleted one only if `allow_deleted`.
// RESOURCE_DOES_NOT_EXIST.
absl::Status LoadLoggedModel(Connection& connection, std::string_view model_id,
                             bool allow_deleted, v1::LoggedModel* model);

// Adds tags, params and metrics to `models`, which are distinct and have their
// info. A constant number of statements per kInListMax models.
absl::Status LoadLoggedModelParts(Connection& connection,
                                  absl::Span<v1::LoggedModel* const> models);

// The experiment of a model, deleted or not. RESOURCE_DOES_NOT_EXIST.
absl::StatusOr<int64_t> FindLoggedModel(Connection& connection,
                                        std::string_view model_id);

// REQUIRES for both: the model exists, in that experiment.

// Overwrites; of a repeated key the last value stays.
absl::Status WriteLoggedModelTags(
    Transaction& transaction, std::string_view model_id, int64_t experiment_id,
    const google::protobuf::RepeatedPtrField<v1::LoggedModelTag>& tags);

// BAD_REQUEST: a key comes twice or is there.
absl::Status WriteLoggedModelParams(
    Transaction& transaction, std::string_view model_id, int64_t experiment_id,
    const google::protobuf::RepeatedPtrField<v1::LoggedModelParameter>&
        params);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_LOGGED_MODEL_ROWS_H_
