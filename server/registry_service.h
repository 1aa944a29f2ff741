// The model registry: the service ModelRegistryService of registry.proto, which
// says what each rpc does. One body per rpc, for every door and every store.
#ifndef MILLSTREAM_SERVER_REGISTRY_SERVICE_H_
#define MILLSTREAM_SERVER_REGISTRY_SERVICE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millstream/v1/registry.pb.h"
#include "server/call_context.h"

namespace millstream {
class Clock;
}

namespace millstream::storage {
class RegistryStore;
class TrackingStore;
}  // namespace millstream::storage

namespace millstream::server {

class MethodTable;

// Thread-safe. Requests have their required fields. Statuses that a caller has
// caused carry an ErrorCode (base/error.h); on error the response is
// unspecified. A write that answers OK is as durable as its store says.
class ModelRegistryService {
 public:
  // All must outlive the service.
  ModelRegistryService(storage::RegistryStore* store,
                       storage::TrackingStore* tracking, const Clock* clock);

  // Binds every rpc of the service to its body.
  void Register(MethodTable* methods);

  // --- registered_models.cc
  absl::Status CreateRegisteredModel(
      CallContext& context, const v1::CreateRegisteredModelRequest& request,
      v1::CreateRegisteredModelResponse* response);
  absl::Status RenameRegisteredModel(
      CallContext& context, const v1::RenameRegisteredModelRequest& request,
      v1::RenameRegisteredModelResponse* response);
  absl::Status UpdateRegisteredModel(
      CallContext& context, const v1::UpdateRegisteredModelRequest& request,
      v1::UpdateRegisteredModelResponse* response);
  absl::Status DeleteRegisteredModel(
      CallContext& context, const v1::DeleteRegisteredModelRequest& request,
      v1::DeleteRegisteredModelResponse* response);
  absl::Status GetRegisteredModel(
      CallContext& context, const v1::GetRegisteredModelRequest& request,
      v1::GetRegisteredModelResponse* response);
  absl::Status SearchRegisteredModels(
      CallContext& context, const v1::SearchRegisteredModelsRequest& request,
      v1::SearchRegisteredModelsResponse* response);
  absl::Status GetLatestVersions(CallContext& context,
                                 const v1::GetLatestVersionsRequest& request,
                                 v1::GetLatestVersionsResponse* response);
  absl::Status SetRegisteredModelTag(
      CallContext& context, const v1::SetRegisteredModelTagRequest& request,
      v1::SetRegisteredModelTagResponse* response);
  absl::Status DeleteRegisteredModelTag(
      CallContext& context, const v1::DeleteRegisteredModelTagRequest& request,
      v1::DeleteRegisteredModelTagResponse* response);
  absl::Status SetRegisteredModelAlias(
      CallContext& context, const v1::SetRegisteredModelAliasRequest& request,
      v1::SetRegisteredModelAliasResponse* response);
  absl::Status DeleteRegisteredModelAlias(
      CallContext& context,
      const v1::DeleteRegisteredModelAliasRequest& request,
      v1::DeleteRegisteredModelAliasResponse* response);

  // --- model_versions.cc
  absl::Status CreateModelVersion(CallContext& context,
                                  const v1::CreateModelVersionRequest& request,
                                  v1::CreateModelVersionResponse* response);
  absl::Status UpdateModelVersion(CallContext& context,
                                  const v1::UpdateModelVersionRequest& request,
                                  v1::UpdateModelVersionResponse* response);
  absl::Status TransitionModelVersionStage(
      CallContext& context,
      const v1::TransitionModelVersionStageRequest& request,
      v1::TransitionModelVersionStageResponse* response);
  absl::Status DeleteModelVersion(CallContext& context,
                                  const v1::DeleteModelVersionRequest& request,
                                  v1::DeleteModelVersionResponse* response);
  absl::Status GetModelVersion(CallContext& context,
                               const v1::GetModelVersionRequest& request,
                               v1::GetModelVersionResponse* response);
  absl::Status SearchModelVersions(
      CallContext& context, const v1::SearchModelVersionsRequest& request,
      v1::SearchModelVersionsResponse* response);
  absl::Status GetModelVersionDownloadUri(
      CallContext& context,
      const v1::GetModelVersionDownloadUriRequest& request,
      v1::GetModelVersionDownloadUriResponse* response);
  absl::Status SetModelVersionTag(CallContext& context,
                                  const v1::SetModelVersionTagRequest& request,
                                  v1::SetModelVersionTagResponse* response);
  absl::Status DeleteModelVersionTag(
      CallContext& context, const v1::DeleteModelVersionTagRequest& request,
      v1::DeleteModelVersionTagResponse* response);
  absl::Status GetModelVersionByAlias(
      CallContext& context, const v1::GetModelVersionByAliasRequest& request,
      v1::GetModelVersionByAliasResponse* response);

 private:
  storage::RegistryStore* const store_;
  storage::TrackingStore* const tracking_;
  const Clock* const clock_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_REGISTRY_SERVICE_H_
