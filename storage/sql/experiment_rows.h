// Rows of experiments, as several files of this folder read them.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_STORAGE_SQL_EXPERIMENT_ROWS_H_
#define MILLSTREAM_STORAGE_SQL_EXPERIMENT_ROWS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "millstream/v1/entities.pb.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

inline constexpr std::string_view kStageActive = "active";
inline constexpr std::string_view kStageDeleted = "deleted";

// Columns of an experiment, in the order in which ReadExperiment reads them.
inline constexpr std::string_view kExperimentColumns[] = {
    "experiment_id",   "name",          "artifact_location",
    "lifecycle_stage", "creation_time", "last_update_time"};

// The current row, without tags.
void ReadExperiment(const Statement& row, v1::Experiment* experiment);

// Adds the tags of all `experiments` to them.
absl::Status LoadExperimentTags(
    Connection& connection,
    google::protobuf::RepeatedPtrField<v1::Experiment>* experiments);

// The artifact location of an active experiment. RESOURCE_DOES_NOT_EXIST: there
// is none of this id; INVALID_PARAMETER_VALUE: it is deleted.
absl::StatusOr<std::string> CheckExperimentActive(Connection& connection,
                                                  int64_t experiment_id);

// The same for who puts something into the experiment: it stays active until
// the transaction ends. SQLite has one writer, and MySQL locks what is read
// (SERIALIZABLE); others are asked for it.
absl::StatusOr<std::string> HoldExperimentActive(Transaction& transaction,
                                                 int64_t experiment_id);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_EXPERIMENT_ROWS_H_
