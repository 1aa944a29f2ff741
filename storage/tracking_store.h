// Experiments, runs and what is relational about them: params, tags, inputs,
// outputs, datasets. The points of metrics are in storage/metric_store.h.
//
// Entities of the API (entities.proto) are the row types: what a method reads
// it writes into the caller's message, which it was given empty or which it
// appends to.
//
// Values are valid: the services check names, lengths and characters
// (server/validation.h) before they call. What only the data can tell is
// checked here, in the transaction that writes: existence, lifecycle,
// uniqueness.
//
// Writes: OK means kept, as Database::Write (storage/sql/database.h) says; any
// other status, that nothing was changed. Statuses carry an ErrorCode
// (base/error.h) as listed per method; besides these any method may return a
// status without one, which is a fault of the database (callers see
// INTERNAL_ERROR).
//
// Ids: an experiment's is decimal; other text is INVALID_PARAMETER_VALUE. A
// run's is taken as it comes, and one that is not there is "not found".
// "Active" and "deleted" are the lifecycle stages. Times are ms since the Unix
// epoch.
#ifndef MILLSTREAM_STORAGE_TRACKING_STORE_H_
#define MILLSTREAM_STORAGE_TRACKING_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "millstream/v1/entities.pb.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::storage {

namespace search {
struct ExperimentSearch;
struct LoggedModelSearch;
struct RunSearch;
}  // namespace search

// What UpdateRun changes; absent fields stay.
struct RunUpdate {
  std::optional<v1::RunStatus> status = std::nullopt;
  std::optional<int64_t> end_time = std::nullopt;
  // Not empty. Sets the tag "mlflow.runName" too.
  std::optional<std::string_view> run_name = std::nullopt;
};

// Thread-safe. Outlives every call that uses it.
class TrackingStore {
 public:
  virtual ~TrackingStore() = default;

  // --- Experiments

  // Keeps a new experiment: of `experiment` its name, tags (keys are distinct),
  // artifact_location and creation_time (also its last_update_time). Without an
  // artifact_location it gets "<default artifact root>/<id>". Returns the id.
  // RESOURCE_ALREADY_EXISTS: the name is taken, maybe by a deleted one. Of many
  // callers with one name exactly one gets OK.
  virtual absl::StatusOr<std::string> CreateExperiment(
      const v1::Experiment& experiment) = 0;

  // RESOURCE_DOES_NOT_EXIST. Deleted ones are found too.
  virtual absl::Status GetExperiment(std::string_view experiment_id,
                                     v1::Experiment* experiment) = 0;
  virtual absl::Status GetExperimentByName(std::string_view name,
                                           v1::Experiment* experiment) = 0;

  // Appends a page of experiments with their tags, and sets next_page_token if
  // there are more. INVALID_PARAMETER_VALUE: filter, order or token.
  // The request's columns are the store's to fill in; leave them empty.
  virtual absl::Status SearchExperiments(
      const search::ExperimentSearch& request,
      v1::SearchExperimentsResponse* response) = 0;

  // Changes an active experiment's name. RESOURCE_DOES_NOT_EXIST;
  // INVALID_STATE: it is deleted; BAD_REQUEST: the name is taken (MLflow's code
  // for it here).
  virtual absl::Status RenameExperiment(std::string_view experiment_id,
                                        std::string_view name,
                                        int64_t now_ms) = 0;

  // Changes the stage of an experiment and of all its runs.
  // RESOURCE_DOES_NOT_EXIST: no experiment of that id in the other stage.
  virtual absl::Status DeleteExperiment(std::string_view experiment_id,
                                        int64_t now_ms) = 0;
  virtual absl::Status RestoreExperiment(std::string_view experiment_id,
                                         int64_t now_ms) = 0;

  // Set overwrites. RESOURCE_DOES_NOT_EXIST: no experiment, or (Delete) no such
  // tag; INVALID_PARAMETER_VALUE: the experiment is deleted.
  virtual absl::Status SetExperimentTag(std::string_view experiment_id,
                                        std::string_view key,
                                        std::string_view value) = 0;
  virtual absl::Status DeleteExperimentTag(std::string_view experiment_id,
                                           std::string_view key) = 0;

  // --- Runs

  // Keeps a new run: of `info` its run_id, experiment_id, run_name, user_id,
  // status and start_time; `tags`, keys distinct, as they are. Its artifact_uri
  // is "<artifact location>/<run id>/artifacts". Writes the run as kept into
  // *run. RESOURCE_DOES_NOT_EXIST: the experiment; INVALID_PARAMETER_VALUE: it
  // is deleted; RESOURCE_ALREADY_EXISTS: there is a run of this id.
  virtual absl::Status CreateRun(
      const v1::RunInfo& info,
      const google::protobuf::RepeatedPtrField<v1::RunTag>& tags,
      v1::Run* run) = 0;

  // All of a run, with its latest metrics. RESOURCE_DOES_NOT_EXIST. Deleted
  // ones are found too.
  virtual absl::Status GetRun(std::string_view run_id, v1::Run* run) = 0;

  // The same without data, inputs and outputs.
  virtual absl::Status GetRunInfo(std::string_view run_id,
                                  v1::RunInfo* info) = 0;

  // Appends a page of runs (without model inputs, as in MLflow) and sets
  // next_page_token if there are more. INVALID_PARAMETER_VALUE: filter, order,
  // ids or token. The request's columns are the store's to fill in; leave them
  // empty. Statements per page: a constant number.
  virtual absl::Status SearchRuns(const search::RunSearch& request,
                                  v1::SearchRunsResponse* response) = 0;

  // Changes an active run and writes it as it is then into *info.
  // RESOURCE_DOES_NOT_EXIST; INVALID_PARAMETER_VALUE: it is deleted.
  virtual absl::Status UpdateRun(std::string_view run_id,
                                 const RunUpdate& update,
                                 v1::RunInfo* info) = 0;

  // Changes a run's stage, whatever it was. RESOURCE_DOES_NOT_EXIST.
  virtual absl::Status DeleteRun(std::string_view run_id, int64_t now_ms) = 0;
  virtual absl::Status RestoreRun(std::string_view run_id) = 0;

  // --- What runs log. Of all of these, RESOURCE_DOES_NOT_EXIST: no such run;
  // INVALID_PARAMETER_VALUE: it is deleted.

  // Writes a param once. INVALID_PARAMETER_VALUE: it has another value. The
  // same value again is OK and changes nothing. Of many callers with different
  // values exactly one gets OK.
  virtual absl::Status LogParam(std::string_view run_id, std::string_view key,
                                std::string_view value) = 0;

  // Set overwrites; the tag "mlflow.runName" renames the run too.
  // RESOURCE_DOES_NOT_EXIST (Delete): no such tag.
  virtual absl::Status SetRunTag(std::string_view run_id, std::string_view key,
                                 std::string_view value) = 0;
  virtual absl::Status DeleteRunTag(std::string_view run_id,
                                    std::string_view key) = 0;

  // Sets a tag to what `update` makes of its value (nullopt: it has none) with
  // no other write in between. A status of `update` is returned as it is. It
  // may be called more than once.
  virtual absl::Status UpdateRunTag(
      std::string_view run_id, std::string_view key,
      absl::FunctionRef<absl::StatusOr<std::string>(
          std::optional<std::string_view>)>
          update) = 0;

  // Connects the run with datasets, kept once per experiment, name and digest,
  // and with models. What is kept or connected already stays as it is.
  virtual absl::Status LogInputs(
      std::string_view run_id,
      const google::protobuf::RepeatedPtrField<v1::DatasetInput>& datasets,
      const google::protobuf::RepeatedPtrField<v1::ModelInput>& models) = 0;

  // Connects the run with models that it made. BAD_REQUEST: one is connected
  // already, at another step; the same again is OK.
  virtual absl::Status LogOutputs(
      std::string_view run_id,
      const google::protobuf::RepeatedPtrField<v1::ModelOutput>& models) = 0;

  // Appends the datasets that runs of these experiments used, each (name,
  // digest, context) once per experiment, `max_results` at most.
  virtual absl::Status SearchDatasets(
      absl::Span<const std::string_view> experiment_ids, int max_results,
      google::protobuf::RepeatedPtrField<v1::DatasetSummary>* summaries) = 0;

  // --- Logged models. Of all of these, RESOURCE_DOES_NOT_EXIST: no such model.
  // A deleted model is there for those that write to it, not for the readers.

  // Keeps a new model: of `model` its info.model_id (not used before),
  // experiment_id, name, model_type, source_run_id, status,
  // creation_timestamp_ms (also its last_updated_timestamp_ms) and tags, and
  // its params. Its artifact_uri is
  // "<artifact location>/models/<model id>/artifacts". Writes the model as kept
  // into *created. RESOURCE_DOES_NOT_EXIST: the experiment;
  // INVALID_PARAMETER_VALUE: it is deleted; BAD_REQUEST: a key comes twice.
  virtual absl::Status CreateLoggedModel(const v1::LoggedModel& model,
                                         v1::LoggedModel* created) = 0;

  // All of a model, with every point of its metrics; a deleted one only if
  // `allow_deleted`.
  virtual absl::Status GetLoggedModel(std::string_view model_id,
                                      bool allow_deleted,
                                      v1::LoggedModel* model) = 0;

  // Appends a page of models that are not deleted, with all that GetLoggedModel
  // shows, and sets next_page_token if there are more.
  // INVALID_PARAMETER_VALUE: filter, order, ids or token. The request's columns
  // are the store's to fill in; leave them empty. A max_results below 0 asks
  // for no model and for the token of the first page. Statements per page: a
  // constant number.
  virtual absl::Status SearchLoggedModels(
      const search::LoggedModelSearch& request,
      v1::SearchLoggedModelsResponse* response) = 0;

  // Sets the status, whatever it was, and writes the model as it is then.
  virtual absl::Status FinalizeLoggedModel(std::string_view model_id,
                                           v1::LoggedModelStatus status,
                                           int64_t now_ms,
                                           v1::LoggedModel* model) = 0;

  // Again is OK.
  virtual absl::Status DeleteLoggedModel(std::string_view model_id,
                                         int64_t now_ms) = 0;

  // Overwrites; of a repeated key the last value stays.
  virtual absl::Status SetLoggedModelTags(
      std::string_view model_id,
      const google::protobuf::RepeatedPtrField<v1::LoggedModelTag>& tags) = 0;

  // RESOURCE_DOES_NOT_EXIST: no such tag either.
  virtual absl::Status DeleteLoggedModelTag(std::string_view model_id,
                                            std::string_view key) = 0;

  // Adds params. BAD_REQUEST: a key comes twice or is there.
  virtual absl::Status LogLoggedModelParams(
      std::string_view model_id,
      const google::protobuf::RepeatedPtrField<v1::LoggedModelParameter>&
          params) = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_TRACKING_STORE_H_
