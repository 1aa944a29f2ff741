// Rows of runs and of what belongs to them, as several files of this folder
// read them.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_STORAGE_SQL_RUN_ROWS_H_
#define MILLSTREAM_STORAGE_SQL_RUN_ROWS_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/limits.h"
#include "millstream/v1/entities.pb.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// Columns of a run, in the order in which ReadRunInfo reads them.
inline constexpr std::string_view kRunColumns[] = {
    "run_uuid",   "experiment_id", "name",
    "user_id",    "status",        "start_time",
    "end_time",   "artifact_uri",  "lifecycle_stage"};

// The current row.
void ReadRunInfo(const Statement& row, v1::RunInfo* info);

// The info of one run. RESOURCE_DOES_NOT_EXIST.
absl::Status LoadRunInfo(Connection& connection, std::string_view run_id,
                         v1::RunInfo* info);

struct RunParts {
  // Models that went into the run; MLflow shows them for a single run only.
  bool model_inputs = false;
  // Of all that is added, in bytes.
  size_t bytes_max = limits::kRunPartsBytesMax;
};

// Adds params, tags, latest metrics, inputs and outputs to `runs`, which have
// their info. A constant number of statements per kInListMax runs.
// kOutOfRange: they have more than `parts.bytes_max`.
absl::Status LoadRunParts(Connection& connection,
                          absl::Span<v1::Run* const> runs, RunParts parts);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_RUN_ROWS_H_
