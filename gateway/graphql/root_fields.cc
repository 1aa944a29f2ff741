#include "gateway/graphql/root_fields.h"

#include "base/str_cat.h"

namespace millstream::gateway::graphql {
namespace {

constexpr RootField kRootFields[] = {
    {"Query", "mlflowGetExperiment", "TrackingService.GetExperiment"},
    {"Query", "mlflowGetMetricHistoryBulkInterval",
     "TrackingService.GetMetricHistoryBulkInterval"},
    {"Query", "mlflowGetRun", "TrackingService.GetRun"},
    {"Query", "mlflowListArtifacts", "ArtifactService.ListArtifacts"},
    {"Query", "mlflowSearchModelVersions",
     "ModelRegistryService.SearchModelVersions"},
    {"Query", "mlflowSearchRuns", "TrackingService.SearchRuns"},
    {"Mutation", "mlflowSearchDatasets", "TrackingService.SearchDatasets"},
    {"Mutation", "mlflowSearchRuns", "TrackingService.SearchRuns"},
};

}  // namespace

const google::protobuf::MethodDescriptor* RootField::rpc() const {
  return FindRpc(method);
}

std::span<const RootField> RootFields() { return kRootFields; }

const RootField* FindRootField(std::string_view type, std::string_view name) {
  for (const RootField& field : kRootFields) {
    if (field.type == type && field.name == name) return &field;
  }
  return nullptr;
}

const google::protobuf::MethodDescriptor* FindRpc(std::string_view method) {
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
      StrCat("millstream.v1.", method));
}

}  // namespace millstream::gateway::graphql
