// Experiments, runs and what they log: the service TrackingService of
// tracking.proto, which says what each rpc does. One body per rpc, for every
// door and every store.
#ifndef MILLSTREAM_SERVER_TRACKING_SERVICE_H_
#define MILLSTREAM_SERVER_TRACKING_SERVICE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "millstream/v1/tracking.pb.h"
#include "server/call_context.h"

namespace millstream {
class Clock;
}

namespace millstream::storage {
class MetricStore;
class RunLog;
class TrackingStore;
}  // namespace millstream::storage

namespace millstream::server {

class MethodTable;
class RunFeed;

// Thread-safe. Requests have their required fields. Statuses that a caller has
// caused carry an ErrorCode (base/error.h); on error the response is
// unspecified. A write that answers OK is as durable as its store says.
class TrackingService {
 public:
  struct Options {
    // What GetServerInfo says of the artifact proxy.
    bool multipart_uploads = false;
    bool multipart_downloads = false;
  };

  // All must outlive the service. `points` holds what `log` logs.
  // `feed` is told of changes; null: nobody watches.
  TrackingService(storage::TrackingStore* store, storage::RunLog* log,
                  storage::MetricStore* points, const Clock* clock,
                  Options options, RunFeed* feed = nullptr);

  // Binds every rpc of the service to its body.
  void Register(MethodTable* methods);

  // --- experiments.cc
  absl::Status CreateExperiment(CallContext& context,
                                const v1::CreateExperimentRequest& request,
                                v1::CreateExperimentResponse* response);
  absl::Status GetExperiment(CallContext& context,
                             const v1::GetExperimentRequest& request,
                             v1::GetExperimentResponse* response);
  absl::Status GetExperimentByName(
      CallContext& context,
      const v1::GetExperimentByNameRequest& request,
      v1::GetExperimentByNameResponse* response);
  absl::Status UpdateExperiment(CallContext& context,
                                const v1::UpdateExperimentRequest& request,
                                v1::UpdateExperimentResponse* response);
  absl::Status DeleteExperiment(CallContext& context,
                                const v1::DeleteExperimentRequest& request,
                                v1::DeleteExperimentResponse* response);
  absl::Status RestoreExperiment(CallContext& context,
                                 const v1::RestoreExperimentRequest& request,
                                 v1::RestoreExperimentResponse* response);
  absl::Status SetExperimentTag(CallContext& context,
                                const v1::SetExperimentTagRequest& request,
                                v1::SetExperimentTagResponse* response);
  absl::Status DeleteExperimentTag(
      CallContext& context,
      const v1::DeleteExperimentTagRequest& request,
      v1::DeleteExperimentTagResponse* response);

  // --- search.cc
  absl::Status SearchExperiments(CallContext& context,
                                 const v1::SearchExperimentsRequest& request,
                                 v1::SearchExperimentsResponse* response);
  absl::Status SearchRuns(CallContext& context,
                          const v1::SearchRunsRequest& request,
                          v1::SearchRunsResponse* response);
  absl::Status SearchDatasets(CallContext& context,
                              const v1::SearchDatasetsRequest& request,
                              v1::SearchDatasetsResponse* response);

  // --- runs.cc
  absl::Status CreateRun(CallContext& context,
                         const v1::CreateRunRequest& request,
                         v1::CreateRunResponse* response);
  absl::Status GetRun(CallContext& context, const v1::GetRunRequest& request,
                      v1::GetRunResponse* response);
  absl::Status UpdateRun(CallContext& context,
                         const v1::UpdateRunRequest& request,
                         v1::UpdateRunResponse* response);
  absl::Status DeleteRun(CallContext& context,
                         const v1::DeleteRunRequest& request,
                         v1::DeleteRunResponse* response);
  absl::Status RestoreRun(CallContext& context,
                          const v1::RestoreRunRequest& request,
                          v1::RestoreRunResponse* response);

  // --- run_data.cc
  absl::Status LogParam(CallContext& context,
                        const v1::LogParamRequest& request,
                        v1::LogParamResponse* response);
  absl::Status SetTag(CallContext& context, const v1::SetTagRequest& request,
                      v1::SetTagResponse* response);
  absl::Status DeleteTag(CallContext& context,
                         const v1::DeleteTagRequest& request,
                         v1::DeleteTagResponse* response);
  absl::Status LogModel(CallContext& context,
                        const v1::LogModelRequest& request,
                        v1::LogModelResponse* response);

  // --- inputs.cc
  absl::Status LogInputs(CallContext& context,
                         const v1::LogInputsRequest& request,
                         v1::LogInputsResponse* response);
  absl::Status LogOutputs(CallContext& context,
                          const v1::LogOutputsRequest& request,
                          v1::LogOutputsResponse* response);

  // --- metrics.cc
  absl::Status LogMetric(CallContext& context,
                         const v1::LogMetricRequest& request,
                         v1::LogMetricResponse* response);
  absl::Status LogBatch(CallContext& context,
                        const v1::LogBatchRequest& request,
                        v1::LogBatchResponse* response);

  // --- metric_history.cc
  absl::Status GetMetricHistory(CallContext& context,
                                const v1::GetMetricHistoryRequest& request,
                                v1::GetMetricHistoryResponse* response);
  absl::Status GetMetricHistoryBulk(
      CallContext& context,
      const v1::GetMetricHistoryBulkRequest& request,
      v1::GetMetricHistoryBulkResponse* response);
  absl::Status GetMetricHistoryBulkInterval(
      CallContext& context,
      const v1::GetMetricHistoryBulkIntervalRequest& request,
      v1::GetMetricHistoryBulkIntervalResponse* response);

  // --- logged_models.cc
  absl::Status CreateLoggedModel(CallContext& context,
                                 const v1::CreateLoggedModelRequest& request,
                                 v1::CreateLoggedModelResponse* response);
  absl::Status FinalizeLoggedModel(
      CallContext& context,
      const v1::FinalizeLoggedModelRequest& request,
      v1::FinalizeLoggedModelResponse* response);
  absl::Status GetLoggedModel(CallContext& context,
                              const v1::GetLoggedModelRequest& request,
                              v1::GetLoggedModelResponse* response);
  absl::Status DeleteLoggedModel(CallContext& context,
                                 const v1::DeleteLoggedModelRequest& request,
                                 v1::DeleteLoggedModelResponse* response);
  absl::Status SearchLoggedModels(CallContext& context,
                                  const v1::SearchLoggedModelsRequest& request,
                                  v1::SearchLoggedModelsResponse* response);
  absl::Status SetLoggedModelTags(CallContext& context,
                                  const v1::SetLoggedModelTagsRequest& request,
                                  v1::SetLoggedModelTagsResponse* response);
  absl::Status DeleteLoggedModelTag(
      CallContext& context,
      const v1::DeleteLoggedModelTagRequest& request,
      v1::DeleteLoggedModelTagResponse* response);
  absl::Status LogLoggedModelParams(
      CallContext& context,
      const v1::LogLoggedModelParamsRequest& request,
      v1::LogLoggedModelParamsResponse* response);

  // --- tracking_service.cc
  absl::Status GetServerInfo(CallContext& context,
                             const v1::GetServerInfoRequest& request,
                             v1::GetServerInfoResponse* response);

 private:
  // Tells of a change that is kept: `status` is the store's.
  absl::Status RunChanged(absl::Status status, std::string_view run_id,
                          uint8_t parts);
  absl::Status StageChanged(absl::Status status,
                            std::string_view experiment_id);

  storage::TrackingStore* const store_;
  storage::RunLog* const log_;
  storage::MetricStore* const points_;
  const Clock* const clock_;
  const Options options_;
  RunFeed* const feed_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_TRACKING_SERVICE_H_
