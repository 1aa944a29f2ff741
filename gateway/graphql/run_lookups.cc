#include "gateway/graphql/run_lookups.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "base/str_cat.h"
#include "gateway/graphql/root_fields.h"

namespace millstream::gateway::graphql {
namespace {

// Runs whose versions one search asks for.
constexpr size_t kRunsPerSearch = 100;

// Ids of runs are checked when runs are made; this keeps a stray quote from
// changing the filter.
bool IsPlain(std::string_view id) {
  return !id.empty() && id.find_first_of("'\"\\") == std::string_view::npos;
}

}  // namespace

absl::Status RunLookups::Call(std::string_view method,
                              const google::protobuf::Message& request,
                              google::protobuf::Message* response) {
  const server::Method* found = dispatcher_->methods().Find(FindRpc(method));
  if (found == nullptr) {
    return absl::InternalError(StrCat("GraphQL: no rpc ", method));
  }
  return dispatcher_->Call(*context_, *found, request, response);
}

bool RunLookups::KeepReadable(google::protobuf::Message* request) {
  auto* search = dynamic_cast<v1::SearchDatasetsRequest*>(request);
  if (search == nullptr) return false;
  google::protobuf::RepeatedPtrField<std::string> readable;
  for (const std::string& id : search->experiment_ids()) {
    v1::GetExperimentRequest get;
    v1::GetExperimentResponse response;
    get.set_experiment_id(id);
    if (Call("TrackingService.GetExperiment", get, &response).ok()) {
      *readable.Add() = id;
    }
  }
  search->mutable_experiment_ids()->Swap(&readable);
  return !search->experiment_ids().empty();
}

void RunLookups::Announce(
    const google::protobuf::RepeatedPtrField<v1::Run>& runs) {
  for (const v1::Run& run : runs) {
    const std::string& id = run.info().run_id();
    if (places_.emplace(id, announced_.size()).second) {
      announced_.push_back(id);
    }
  }
}

absl::StatusOr<const v1::Experiment*> RunLookups::ExperimentOf(
    const v1::Run& run) {
  const std::string& id = run.info().experiment_id();
  const auto known = experiments_.find(id);
  if (known != experiments_.end()) return &known->second->experiment();
  v1::GetExperimentRequest request;
  request.set_experiment_id(id);
  auto response = std::make_unique<v1::GetExperimentResponse>();
  RETURN_IF_ERROR(
      Call("TrackingService.GetExperiment", request, response.get()));
  return &experiments_.emplace(id, std::move(response))
              .first->second->experiment();
}

absl::StatusOr<const RunLookups::Versions*> RunLookups::ModelVersionsOf(
    const v1::Run& run) {
  const std::string& id = run.info().run_id();
  auto known = versions_.find(id);
  if (known == versions_.end()) {
    RETURN_IF_ERROR(FetchVersions(id));
    known = versions_.find(id);
  }
  return known->second.get();
}

absl::Status RunLookups::FetchVersions(const std::string& run_id) {
  std::vector<std::string> ids = {run_id};
  if (const auto place = places_.find(run_id); place != places_.end()) {
    for (size_t i = place->second + 1;
         i < announced_.size() && ids.size() < kRunsPerSearch; ++i) {
      ids.push_back(announced_[i]);
    }
  }
  std::string list;
  for (const std::string& id : ids) {
    versions_[id] = std::make_unique<Versions>();
    if (IsPlain(id)) StrAppend(&list, list.empty() ? "'" : ",'", id, "'");
  }
  if (list.empty()) return absl::OkStatus();
  v1::SearchModelVersionsRequest request;
  request.set_filter(ids.size() == 1 ? StrCat("run_id=", list)
                                     : StrCat("run_id IN (", list, ")"));
  do {
    auto page = std::make_unique<v1::SearchModelVersionsResponse>();
    absl::Status status =
        Call("ModelRegistryService.SearchModelVersions", request, page.get());
    if (!status.ok()) {
      for (const std::string& id : ids) versions_.erase(id);
      return status;
    }
    for (const v1::ModelVersion& version : page->model_versions()) {
      const auto of = versions_.find(version.run_id());
      if (of != versions_.end()) of->second->push_back(&version);
    }
    request.set_page_token(page->next_page_token());
    pages_.push_back(std::move(page));
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

}  // namespace millstream::gateway::graphql
