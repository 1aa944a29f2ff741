// TrackingService: params and tags of runs.
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "server/model_json.h"
#include "server/run_feed.h"
#include "server/tracking_service.h"
#include "server/validation.h"
#include "storage/tracking_store.h"

namespace millstream::server {

absl::Status TrackingService::LogParam(CallContext&,
                                       const v1::LogParamRequest& request,
                                       v1::LogParamResponse*) {
  ASSIGN_OR_RETURN(const std::string_view run_id, RunIdOf(request));
  ASSIGN_OR_RETURN(const std::string_view value,
                   CheckParam("", request.key(), request.value()));
  return RunChanged(store_->LogParam(run_id, request.key(), value), run_id,
                    kRunParams);
}

absl::Status TrackingService::SetTag(CallContext&,
                                     const v1::SetTagRequest& request,
                                     v1::SetTagResponse*) {
  ASSIGN_OR_RETURN(const std::string_view run_id, RunIdOf(request));
  ASSIGN_OR_RETURN(const std::string_view value,
                   CheckRunTag("", request.key(), request.value()));
  return RunChanged(store_->SetRunTag(run_id, request.key(), value), run_id,
                    kRunTags);
}

absl::Status TrackingService::DeleteTag(CallContext&,
                                        const v1::DeleteTagRequest& request,
                                        v1::DeleteTagResponse*) {
  // run_uuid: as for DeleteRun.
  RETURN_IF_ERROR(RunIdOf(request).status());
  return RunChanged(store_->DeleteRunTag(request.run_id(), request.key()),
                    request.run_id(), kRunTags);
}

absl::Status TrackingService::LogModel(CallContext&,
                                       const v1::LogModelRequest& request,
                                       v1::LogModelResponse*) {
  ASSIGN_OR_RETURN(const std::string entry,
                   LoggedModelEntry(request.model_json()));
  absl::Status status = store_->UpdateRunTag(
      request.run_id(), kLoggedModelsTag,
      [&entry](std::optional<std::string_view> list) {
        return AppendEntry(list, entry);
      });
  return RunChanged(std::move(status), request.run_id(), kRunTags);
}

}  // namespace millstream::server
