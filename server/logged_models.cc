// TrackingService: logged models.
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/random_name.h"
#include "server/registry_names.h"
#include "server/tracking_service.h"
#include "storage/search/search.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

// MLflow takes any text for keys and values here; so do we, within bounds.
template <typename Pairs>
absl::Status CheckPairs(std::string_view field, const Pairs& pairs) {
  if (pairs.size() > limits::kLoggedModelPairsMax) {
    return InvalidParameter("At most ", limits::kLoggedModelPairsMax, " ",
                            field, " are taken in one request, got ",
                            pairs.size(), ". Send them in several.");
  }
  for (const auto& pair : pairs) {
    RETURN_IF_ERROR(
        CheckLength(field, limits::kRegistryTextLengthMax, pair.key()));
    RETURN_IF_ERROR(
        CheckLength(field, limits::kRegistryTextLengthMax, pair.value()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TrackingService::CreateLoggedModel(
    CallContext&, const v1::CreateLoggedModelRequest& request,
    v1::CreateLoggedModelResponse* response) {
  v1::LoggedModel model;
  v1::LoggedModelInfo* info = model.mutable_info();
  if (request.name().empty()) {
    info->set_name(RandomRunName());
  } else {
    RETURN_IF_ERROR(CheckLoggedModelName(request.name()));
    info->set_name(request.name());
  }
  RETURN_IF_ERROR(CheckRegistryText("model_type", request.model_type()));
  RETURN_IF_ERROR(CheckRegistryText("source_run_id", request.source_run_id()));
  RETURN_IF_ERROR(CheckPairs("params", request.params()));
  RETURN_IF_ERROR(CheckPairs("tags", request.tags()));
  info->set_model_id(StrCat("m-", NewRunId()));
  info->set_experiment_id(request.experiment_id());
  info->set_model_type(request.model_type());
  info->set_source_run_id(request.source_run_id());
  info->set_status(v1::LOGGED_MODEL_PENDING);
  info->set_creation_timestamp_ms(clock_->NowMs());
  *info->mutable_tags() = request.tags();
  *model.mutable_data()->mutable_params() = request.params();
  return store_->CreateLoggedModel(model, response->mutable_model());
}

absl::Status TrackingService::FinalizeLoggedModel(
    CallContext&, const v1::FinalizeLoggedModelRequest& request,
    v1::FinalizeLoggedModelResponse* response) {
  return store_->FinalizeLoggedModel(request.model_id(), request.status(),
                                     clock_->NowMs(),
                                     response->mutable_model());
}

absl::Status TrackingService::GetLoggedModel(
    CallContext&, const v1::GetLoggedModelRequest& request,
    v1::GetLoggedModelResponse* response) {
  return store_->GetLoggedModel(request.model_id(), request.allow_deleted(),
                                response->mutable_model());
}

absl::Status TrackingService::DeleteLoggedModel(
    CallContext&, const v1::DeleteLoggedModelRequest& request,
    v1::DeleteLoggedModelResponse*) {
  return store_->DeleteLoggedModel(request.model_id(), clock_->NowMs());
}

absl::Status TrackingService::SearchLoggedModels(
    CallContext& context, const v1::SearchLoggedModelsRequest& request,
    v1::SearchLoggedModelsResponse* response) {
  storage::search::LoggedModelSearch search;
  search.max_results = request.has_max_results()
                           ? request.max_results()
                           : limits::kSearchLoggedModelsResultsDefault;
  if (search.max_results == 0) {
    search.max_results = limits::kSearchLoggedModelsResultsOfZero;
  }
  if (search.max_results > limits::kSearchResultsMax) {
    return InvalidParameter("'max_results' must be at most ",
                            limits::kSearchResultsMax, ", got ",
                            search.max_results, ".");
  }
  search.experiment_ids.assign(request.experiment_ids().begin(),
                               request.experiment_ids().end());
  search.filter = request.filter();
  for (const v1::SearchLoggedModelsDataset& dataset : request.datasets()) {
    search.datasets.push_back(
        {.name = dataset.dataset_name(), .digest = dataset.dataset_digest()});
  }
  for (const v1::SearchLoggedModelsOrderBy& order : request.order_by()) {
    search.order_by.push_back(
        {.field_name = order.field_name(),
         .ascending = !order.has_ascending() || order.ascending(),
         .dataset_name = order.dataset_name(),
         .dataset_digest = order.dataset_digest()});
  }
  search.page_token = request.page_token();
  search.caller = &context;
  return store_->SearchLoggedModels(search, response);
}

absl::Status TrackingService::SetLoggedModelTags(
    CallContext&, const v1::SetLoggedModelTagsRequest& request,
    v1::SetLoggedModelTagsResponse*) {
  RETURN_IF_ERROR(CheckPairs("tags", request.tags()));
  return store_->SetLoggedModelTags(request.model_id(), request.tags());
}

absl::Status TrackingService::DeleteLoggedModelTag(
    CallContext&, const v1::DeleteLoggedModelTagRequest& request,
    v1::DeleteLoggedModelTagResponse*) {
  return store_->DeleteLoggedModelTag(request.model_id(), request.tag_key());
}

absl::Status TrackingService::LogLoggedModelParams(
    CallContext&, const v1::LogLoggedModelParamsRequest& request,
    v1::LogLoggedModelParamsResponse*) {
  RETURN_IF_ERROR(CheckPairs("params", request.params()));
  return store_->LogLoggedModelParams(request.model_id(), request.params());
}

}  // namespace millstream::server
