// TrackingStore on any SQL database: experiments.cc, runs.cc, run_data.cc,
// inputs.cc, search.cc, logged_models.cc.
#ifndef MILLSTREAM_STORAGE_SQL_SQL_TRACKING_STORE_H_
#define MILLSTREAM_STORAGE_SQL_SQL_TRACKING_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/limits.h"
#include "storage/sql/database.h"
#include "storage/tracking_store.h"

namespace millstream::storage {
class ActiveRuns;
class LatestMetrics;
namespace search {
class SqlDialect;
}  // namespace search

// Thread-safe. See TrackingStore.
class SqlTrackingStore final : public TrackingStore {
 public:
  struct Options {
    // URI below which new experiments keep their artifacts.
    std::string default_artifact_root = "mlflow-artifacts:/";
    // Told when runs change their stage. Null: nobody remembers it.
    ActiveRuns* active_runs = nullptr;
    // Has points that the table latest_metrics lacks. Null: it lacks none.
    LatestMetrics* latest_metrics = nullptr;
    // Of params, tags, metrics and inputs in an answer.
    size_t run_parts_bytes_max = limits::kRunPartsBytesMax;
  };

  // All must outlive the store. `dialect` is that of `database`.
  SqlTrackingStore(sql::Database* database, const search::SqlDialect* dialect,
                   Options options);

  // Makes the experiment "Default" with id 0 unless it is there. Called once
  // before the store is used.
  absl::Status CreateDefaultExperiment(int64_t now_ms);

  absl::StatusOr<std::string> CreateExperiment(
      const v1::Experiment& experiment) override;
  absl::Status GetExperiment(std::string_view experiment_id,
                             v1::Experiment* experiment) override;
  absl::Status GetExperimentByName(std::string_view name,
                                   v1::Experiment* experiment) override;
  absl::Status SearchExperiments(
      const search::ExperimentSearch& request,
      v1::SearchExperimentsResponse* response) override;
  absl::Status RenameExperiment(std::string_view experiment_id,
                                std::string_view name,
                                int64_t now_ms) override;
  absl::Status DeleteExperiment(std::string_view experiment_id,
                                int64_t now_ms) override;
  absl::Status RestoreExperiment(std::string_view experiment_id,
                                 int64_t now_ms) override;
  absl::Status SetExperimentTag(std::string_view experiment_id,
                                std::string_view key,
                                std::string_view value) override;
  absl::Status DeleteExperimentTag(std::string_view experiment_id,
                                   std::string_view key) override;

  absl::Status CreateRun(
      const v1::RunInfo& info,
      const google::protobuf::RepeatedPtrField<v1::RunTag>& tags,
      v1::Run* run) override;
  absl::Status GetRun(std::string_view run_id, v1::Run* run) override;
  absl::Status GetRunInfo(std::string_view run_id, v1::RunInfo* info) override;
  absl::Status SearchRuns(const search::RunSearch& request,
                          v1::SearchRunsResponse* response) override;
  absl::Status UpdateRun(std::string_view run_id, const RunUpdate& update,
                         v1::RunInfo* info) override;
  absl::Status DeleteRun(std::string_view run_id, int64_t now_ms) override;
  absl::Status RestoreRun(std::string_view run_id) override;

  absl::Status LogParam(std::string_view run_id, std::string_view key,
                        std::string_view value) override;
  absl::Status SetRunTag(std::string_view run_id, std::string_view key,
                         std::string_view value) override;
  absl::Status DeleteRunTag(std::string_view run_id,
                            std::string_view key) override;
  absl::Status UpdateRunTag(std::string_view run_id, std::string_view key,
                            absl::FunctionRef<absl::StatusOr<std::string>(
                                std::optional<std::string_view>)>
                                update) override;
  absl::Status LogInputs(
      std::string_view run_id,
      const google::protobuf::RepeatedPtrField<v1::DatasetInput>& datasets,
      const google::protobuf::RepeatedPtrField<v1::ModelInput>& models)
      override;
  absl::Status LogOutputs(
      std::string_view run_id,
      const google::protobuf::RepeatedPtrField<v1::ModelOutput>& models)
      override;
  absl::Status SearchDatasets(
      absl::Span<const std::string_view> experiment_ids, int max_results,
      google::protobuf::RepeatedPtrField<v1::DatasetSummary>* summaries)
      override;

  absl::Status CreateLoggedModel(const v1::LoggedModel& model,
                                 v1::LoggedModel* created) override;
  absl::Status GetLoggedModel(std::string_view model_id, bool allow_deleted,
                              v1::LoggedModel* model) override;
  absl::Status SearchLoggedModels(
      const search::LoggedModelSearch& request,
      v1::SearchLoggedModelsResponse* response) override;
  absl::Status FinalizeLoggedModel(std::string_view model_id,
                                   v1::LoggedModelStatus status,
                                   int64_t now_ms,
                                   v1::LoggedModel* model) override;
  absl::Status DeleteLoggedModel(std::string_view model_id,
                                 int64_t now_ms) override;
  absl::Status SetLoggedModelTags(
      std::string_view model_id,
      const google::protobuf::RepeatedPtrField<v1::LoggedModelTag>& tags)
      override;
  absl::Status DeleteLoggedModelTag(std::string_view model_id,
                                    std::string_view key) override;
  absl::Status LogLoggedModelParams(
      std::string_view model_id,
      const google::protobuf::RepeatedPtrField<v1::LoggedModelParameter>&
          params) override;

 private:
  // The error for a run that is no answer, alone.
  absl::Status RunTooLarge() const;
  // Sets the stage of an experiment, which has the other one, and of its runs.
  absl::Status SetExperimentStage(std::string_view experiment_id,
                                  std::string_view stage, int64_t now_ms);

  sql::Database* const database_;
  const search::SqlDialect* const dialect_;
  const Options options_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_SQL_SQL_TRACKING_STORE_H_
