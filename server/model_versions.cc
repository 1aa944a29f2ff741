// Versions of registered models.
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "server/model_lineage.h"
#include "server/registry_names.h"
#include "server/registry_service.h"
#include "server/validation.h"
#include "storage/registry_store.h"
#include "storage/search/search.h"

namespace millstream::server {

absl::Status ModelRegistryService::CreateModelVersion(
    CallContext&, const v1::CreateModelVersionRequest& request,
    v1::CreateModelVersionResponse* response) {
  RETURN_IF_ERROR(CheckRegistryText("description", request.description()));
  RETURN_IF_ERROR(CheckRegistryText("run_link", request.run_link()));
  RETURN_IF_ERROR(CheckRegistryText("run_id", request.run_id()));
  ASSIGN_OR_RETURN(ModelLineage lineage,
                   ResolveLineage(request, *store_, *tracking_));
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  RETURN_IF_ERROR(CheckTagCount(request.tags_size()));
  for (const v1::ModelVersionTag& tag : request.tags()) {
    RETURN_IF_ERROR(CheckRegistryTag(tag.key(), tag.value()));
  }
  v1::ModelVersion version;
  version.set_name(request.name());
  version.set_creation_timestamp(clock_->NowMs());
  version.set_description(request.description());
  version.set_source(lineage.source);
  version.set_run_id(lineage.run_id);
  version.set_run_link(request.run_link());
  if (!lineage.model_id.empty()) version.set_model_id(lineage.model_id);
  *version.mutable_tags() = request.tags();
  return store_->CreateModelVersion(version, lineage.storage_location,
                                    response->mutable_model_version());
}

absl::Status ModelRegistryService::UpdateModelVersion(
    CallContext&, const v1::UpdateModelVersionRequest& request,
    v1::UpdateModelVersionResponse* response) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  RETURN_IF_ERROR(CheckRegistryText("description", request.description()));
  ASSIGN_OR_RETURN(int64_t version, ParseVersion(request.version()));
  std::optional<std::string_view> description;
  if (request.has_description()) description = request.description();
  return store_->UpdateModelVersion(request.name(), version, description,
                                    clock_->NowMs(),
                                    response->mutable_model_version());
}

absl::Status ModelRegistryService::TransitionModelVersionStage(
    CallContext&, const v1::TransitionModelVersionStageRequest& request,
    v1::TransitionModelVersionStageResponse* response) {
  ASSIGN_OR_RETURN(std::string_view stage, ParseStage(request.stage()));
  if (request.archive_existing_versions() && stage != "Staging" &&
      stage != "Production") {
    return InvalidParameter(
        "'archive_existing_versions' is for the stages Staging and Production; "
        "leave it out to move a version to '",
        stage, "'.");
  }
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  ASSIGN_OR_RETURN(int64_t version, ParseVersion(request.version()));
  return store_->TransitionModelVersionStage(
      request.name(), version, stage, request.archive_existing_versions(),
      clock_->NowMs(), response->mutable_model_version());
}

absl::Status ModelRegistryService::DeleteModelVersion(
    CallContext&, const v1::DeleteModelVersionRequest& request,
    v1::DeleteModelVersionResponse*) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  ASSIGN_OR_RETURN(int64_t version, ParseVersion(request.version()));
  return store_->DeleteModelVersion(request.name(), version, clock_->NowMs());
}

absl::Status ModelRegistryService::GetModelVersion(
    CallContext&, const v1::GetModelVersionRequest& request,
    v1::GetModelVersionResponse* response) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  ASSIGN_OR_RETURN(int64_t version, ParseVersion(request.version()));
  return store_->GetModelVersion(request.name(), version,
                                 response->mutable_model_version());
}

absl::Status ModelRegistryService::SearchModelVersions(
    CallContext& context, const v1::SearchModelVersionsRequest& request,
    v1::SearchModelVersionsResponse* response) {
  storage::search::ModelVersionSearch search;
  search.max_results = request.has_max_results()
                           ? request.max_results()
                           : limits::kSearchModelVersionsResultsMax;
  if (search.max_results < 1 ||
      search.max_results > limits::kSearchModelVersionsResultsMax) {
    return InvalidParameter("'max_results' must be from 1 to ",
                            limits::kSearchModelVersionsResultsMax, ", got ",
                            search.max_results, ".");
  }
  search.filter = request.filter();
  search.order_by.assign(request.order_by().begin(), request.order_by().end());
  search.page_token = request.page_token();
  search.caller = &context;
  return store_->SearchModelVersions(search, response);
}

absl::Status ModelRegistryService::GetModelVersionDownloadUri(
    CallContext&, const v1::GetModelVersionDownloadUriRequest& request,
    v1::GetModelVersionDownloadUriResponse* response) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  ASSIGN_OR_RETURN(int64_t version, ParseVersion(request.version()));
  ASSIGN_OR_RETURN(*response->mutable_artifact_uri(),
                   store_->GetModelVersionDownloadUri(request.name(), version));
  return absl::OkStatus();
}

absl::Status ModelRegistryService::SetModelVersionTag(
    CallContext&, const v1::SetModelVersionTagRequest& request,
    v1::SetModelVersionTagResponse*) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  ASSIGN_OR_RETURN(int64_t version, ParseVersion(request.version()));
  RETURN_IF_ERROR(CheckRegistryTag(request.key(), request.value()));
  return store_->SetModelVersionTag(request.name(), version, request.key(),
                                    request.value());
}

absl::Status ModelRegistryService::DeleteModelVersionTag(
    CallContext&, const v1::DeleteModelVersionTagRequest& request,
    v1::DeleteModelVersionTagResponse*) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  ASSIGN_OR_RETURN(int64_t version, ParseVersion(request.version()));
  RETURN_IF_ERROR(CheckKey("key", request.key()));
  return store_->DeleteModelVersionTag(request.name(), version, request.key());
}

absl::Status ModelRegistryService::GetModelVersionByAlias(
    CallContext&, const v1::GetModelVersionByAliasRequest& request,
    v1::GetModelVersionByAliasResponse* response) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  RETURN_IF_ERROR(CheckAlias(request.alias()));
  return VersionOfAlias(*store_, request.name(), request.alias(),
                        response->mutable_model_version());
}

}  // namespace millstream::server
