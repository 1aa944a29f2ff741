// Registered models, their tags and aliases.
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "server/registry_names.h"
#include "server/registry_service.h"
#include "server/validation.h"
#include "storage/registry_store.h"
#include "storage/search/search.h"

namespace millstream::server {

absl::Status ModelRegistryService::CreateRegisteredModel(
    CallContext&, const v1::CreateRegisteredModelRequest& request,
    v1::CreateRegisteredModelResponse* response) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  RETURN_IF_ERROR(CheckRegistryText("description", request.description()));
  RETURN_IF_ERROR(CheckTagCount(request.tags_size()));
  for (const v1::RegisteredModelTag& tag : request.tags()) {
    RETURN_IF_ERROR(CheckRegistryTag(tag.key(), tag.value()));
  }
  v1::RegisteredModel model;
  model.set_name(request.name());
  model.set_description(request.description());
  model.set_creation_timestamp(clock_->NowMs());
  *model.mutable_tags() = request.tags();
  return store_->CreateRegisteredModel(model,
                                       response->mutable_registered_model());
}

absl::Status ModelRegistryService::RenameRegisteredModel(
    CallContext&, const v1::RenameRegisteredModelRequest& request,
    v1::RenameRegisteredModelResponse* response) {
  RETURN_IF_ERROR(CheckModelName("new_name", request.new_name()));
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  return store_->RenameRegisteredModel(request.name(), request.new_name(),
                                       clock_->NowMs(),
                                       response->mutable_registered_model());
}

absl::Status ModelRegistryService::UpdateRegisteredModel(
    CallContext&, const v1::UpdateRegisteredModelRequest& request,
    v1::UpdateRegisteredModelResponse* response) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  RETURN_IF_ERROR(CheckRegistryText("description", request.description()));
  return store_->UpdateRegisteredModel(request.name(), request.description(),
                                       clock_->NowMs(),
                                       response->mutable_registered_model());
}

absl::Status ModelRegistryService::DeleteRegisteredModel(
    CallContext&, const v1::DeleteRegisteredModelRequest& request,
    v1::DeleteRegisteredModelResponse*) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  return store_->DeleteRegisteredModel(request.name());
}

absl::Status ModelRegistryService::GetRegisteredModel(
    CallContext&, const v1::GetRegisteredModelRequest& request,
    v1::GetRegisteredModelResponse* response) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  return store_->GetRegisteredModel(request.name(),
                                    response->mutable_registered_model());
}

absl::Status ModelRegistryService::SearchRegisteredModels(
    CallContext& context, const v1::SearchRegisteredModelsRequest& request,
    v1::SearchRegisteredModelsResponse* response) {
  storage::search::RegisteredModelSearch search;
  search.max_results = request.has_max_results()
                           ? request.max_results()
                           : limits::kSearchRegisteredModelsResultsDefault;
  if (search.max_results > limits::kSearchRegisteredModelsResultsMax) {
    return InvalidParameter("'max_results' must be at most ",
                            limits::kSearchRegisteredModelsResultsMax, ", got ",
                            search.max_results, ".");
  }
  search.filter = request.filter();
  search.order_by.assign(request.order_by().begin(), request.order_by().end());
  search.page_token = request.page_token();
  search.caller = &context;
  return store_->SearchRegisteredModels(search, response);
}

absl::Status ModelRegistryService::GetLatestVersions(
    CallContext&, const v1::GetLatestVersionsRequest& request,
    v1::GetLatestVersionsResponse* response) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  std::vector<std::string_view> stages;
  for (const std::string& text : request.stages()) {
    absl::StatusOr<std::string_view> stage = ParseStage(text);
    if (!stage.ok()) {
      // That the model is not there comes first.
      v1::RegisteredModel model;
      RETURN_IF_ERROR(store_->GetRegisteredModel(request.name(), &model));
      return stage.status();
    }
    stages.push_back(*stage);
  }
  return store_->GetLatestVersions(request.name(), stages,
                                   response->mutable_model_versions());
}

absl::Status ModelRegistryService::SetRegisteredModelTag(
    CallContext&, const v1::SetRegisteredModelTagRequest& request,
    v1::SetRegisteredModelTagResponse*) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  RETURN_IF_ERROR(CheckRegistryTag(request.key(), request.value()));
  return store_->SetRegisteredModelTag(request.name(), request.key(),
                                       request.value());
}

absl::Status ModelRegistryService::DeleteRegisteredModelTag(
    CallContext&, const v1::DeleteRegisteredModelTagRequest& request,
    v1::DeleteRegisteredModelTagResponse*) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  RETURN_IF_ERROR(CheckKey("key", request.key()));
  return store_->DeleteRegisteredModelTag(request.name(), request.key());
}

absl::Status ModelRegistryService::SetRegisteredModelAlias(
    CallContext&, const v1::SetRegisteredModelAliasRequest& request,
    v1::SetRegisteredModelAliasResponse*) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  RETURN_IF_ERROR(CheckNewAlias(request.alias()));
  ASSIGN_OR_RETURN(int64_t version, ParseVersion(request.version()));
  return store_->SetRegisteredModelAlias(request.name(), request.alias(),
                                         version);
}

absl::Status ModelRegistryService::DeleteRegisteredModelAlias(
    CallContext&, const v1::DeleteRegisteredModelAliasRequest& request,
    v1::DeleteRegisteredModelAliasResponse*) {
  RETURN_IF_ERROR(CheckModelName("name", request.name()));
  RETURN_IF_ERROR(CheckAlias(request.alias()));
  return store_->DeleteRegisteredModelAlias(request.name(), request.alias());
}

}  // namespace millstream::server
