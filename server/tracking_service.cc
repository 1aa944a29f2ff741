#include "server/tracking_service.h"

#include "server/method_table.h"
#include "server/run_feed.h"

namespace millstream::server {

TrackingService::TrackingService(storage::TrackingStore* store,
                                 storage::RunLog* log,
                                 storage::MetricStore* points,
                                 const Clock* clock, Options options,
                                 RunFeed* feed)
    : store_(store),
      log_(log),
      points_(points),
      clock_(clock),
      options_(options),
      feed_(feed) {}

absl::Status TrackingService::RunChanged(absl::Status status,
                                         std::string_view run_id,
                                         uint8_t parts) {
  if (feed_ != nullptr && status.ok()) feed_->RunChanged(run_id, parts);
  return status;
}

absl::Status TrackingService::StageChanged(absl::Status status,
                                           std::string_view experiment_id) {
  if (feed_ != nullptr && status.ok()) feed_->ExperimentChanged(experiment_id);
  return status;
}

void TrackingService::Register(MethodTable* methods) {
  methods->Service(
      v1::GetRunRequest::descriptor()->file()->FindServiceByName(
          "TrackingService"));
#define MILLSTREAM_RPC(name) \
  methods->Unary(#name, this, &TrackingService::name)
  MILLSTREAM_RPC(CreateExperiment);
  MILLSTREAM_RPC(GetExperiment);
  MILLSTREAM_RPC(GetExperimentByName);
  MILLSTREAM_RPC(SearchExperiments);
  MILLSTREAM_RPC(UpdateExperiment);
  MILLSTREAM_RPC(DeleteExperiment);
  MILLSTREAM_RPC(RestoreExperiment);
  MILLSTREAM_RPC(SetExperimentTag);
  MILLSTREAM_RPC(DeleteExperimentTag);
  MILLSTREAM_RPC(SearchDatasets);
  MILLSTREAM_RPC(CreateRun);
  MILLSTREAM_RPC(GetRun);
  MILLSTREAM_RPC(UpdateRun);
  MILLSTREAM_RPC(DeleteRun);
  MILLSTREAM_RPC(RestoreRun);
  MILLSTREAM_RPC(SearchRuns);
  MILLSTREAM_RPC(LogMetric);
  MILLSTREAM_RPC(LogParam);
  MILLSTREAM_RPC(LogBatch);
  MILLSTREAM_RPC(SetTag);
  MILLSTREAM_RPC(DeleteTag);
  MILLSTREAM_RPC(LogModel);
  MILLSTREAM_RPC(LogInputs);
  MILLSTREAM_RPC(LogOutputs);
  MILLSTREAM_RPC(GetMetricHistory);
  MILLSTREAM_RPC(GetMetricHistoryBulk);
  MILLSTREAM_RPC(GetMetricHistoryBulkInterval);
  MILLSTREAM_RPC(CreateLoggedModel);
  MILLSTREAM_RPC(FinalizeLoggedModel);
  MILLSTREAM_RPC(GetLoggedModel);
  MILLSTREAM_RPC(DeleteLoggedModel);
  MILLSTREAM_RPC(SearchLoggedModels);
  MILLSTREAM_RPC(SetLoggedModelTags);
  MILLSTREAM_RPC(DeleteLoggedModelTag);
  MILLSTREAM_RPC(LogLoggedModelParams);
  MILLSTREAM_RPC(GetServerInfo);
#undef MILLSTREAM_RPC
  for (const char* rpc : {"LogMetric", "LogBatch", "LogParam", "SetTag",
                          "LogInputs", "LogOutputs"}) {
    methods->Ingests(rpc);
  }
}

absl::Status TrackingService::GetServerInfo(
    CallContext&, const v1::GetServerInfoRequest&,
    v1::GetServerInfoResponse* response) {
  // Clients that know MLflow's servers ask for this name.
  response->set_store_type("SqlStore");
  response->set_workspaces_enabled(false);
  response->set_trace_archival_enabled(false);
  response->set_multipart_uploads_enabled(options_.multipart_uploads);
  response->set_multipart_downloads_enabled(options_.multipart_downloads);
  response->set_presigned_upload_run_id_supported(true);
  response->set_presigned_upload_model_id_supported(true);
  response->mutable_features_enabled()->set_gateway(true);
  return absl::OkStatus();
}

}  // namespace millstream::server
