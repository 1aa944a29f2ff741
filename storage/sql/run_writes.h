// Writes to a run that several units of work share (log-param, set-tag,
// log-batch, logged models): each is a step of the caller's transaction.
//
// All functions are thread-safe. Statuses are those of
// storage/tracking_store.h.
#ifndef MILLSTREAM_STORAGE_SQL_RUN_WRITES_H_
#define MILLSTREAM_STORAGE_SQL_RUN_WRITES_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "millstream/v1/entities.pb.h"
#include "storage/sql/database.h"

namespace millstream::storage::sql {

// The tag that is the run's name.
inline constexpr std::string_view kRunNameTag = "mlflow.runName";

// What never changes of a run. In our own schema (Schema::kOwn) the rows of its
// tags, params and latest metrics repeat the last two.
struct RunRef {
  std::string_view run_id;
  int64_t experiment_id = 0;
  std::optional<int64_t> start_time = std::nullopt;
};

// The run, which borrows `run_id`. RESOURCE_DOES_NOT_EXIST: no such run;
// INVALID_PARAMETER_VALUE: it is not active.
absl::StatusOr<RunRef> CheckRunActive(Connection& connection,
                                      std::string_view run_id);

// Keeps other transactions from changing the run, if it is there, until this
// one ends.
absl::Status LockRun(Transaction& transaction, std::string_view run_id);

// REQUIRES for all below: the run exists and is active.

// Writes params that are new; a key may repeat with one value.
// INVALID_PARAMETER_VALUE: a key has another value.
absl::Status WriteParam(Transaction& transaction, const RunRef& run,
                        std::string_view key, std::string_view value);
absl::Status WriteParams(
    Transaction& transaction, const RunRef& run,
    const google::protobuf::RepeatedPtrField<v1::Param>& params);

// Adds a tag that the run does not have; or tags, no key twice.
absl::Status AddTag(Transaction& transaction, const RunRef& run,
                    std::string_view key, std::string_view value);
absl::Status AddTags(Transaction& transaction, const RunRef& run,
                     const google::protobuf::RepeatedPtrField<v1::RunTag>&
                         tags);

// Overwrites; of a repeated key the last value stays. kRunNameTag renames the
// run, and an empty name changes nothing.
absl::Status WriteTag(Transaction& transaction, const RunRef& run,
                      std::string_view key, std::string_view value);
absl::Status WriteTags(
    Transaction& transaction, const RunRef& run,
    const google::protobuf::RepeatedPtrField<v1::RunTag>& tags);

}  // namespace millstream::storage::sql

#endif  // MILLSTREAM_STORAGE_SQL_RUN_WRITES_H_
