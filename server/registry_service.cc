#include "server/registry_service.h"

#include "server/method_table.h"

namespace millstream::server {

ModelRegistryService::ModelRegistryService(storage::RegistryStore* store,
                                           storage::TrackingStore* tracking,
                                           const Clock* clock)
    : store_(store), tracking_(tracking), clock_(clock) {}

void ModelRegistryService::Register(MethodTable* methods) {
  using Self = ModelRegistryService;
  methods->Service(
      v1::CreateRegisteredModelRequest::descriptor()->file()->FindServiceByName(
          "ModelRegistryService"));
  methods->Unary("CreateRegisteredModel", this, &Self::CreateRegisteredModel);
  methods->Unary("RenameRegisteredModel", this, &Self::RenameRegisteredModel);
  methods->Unary("UpdateRegisteredModel", this, &Self::UpdateRegisteredModel);
  methods->Unary("DeleteRegisteredModel", this, &Self::DeleteRegisteredModel);
  methods->Unary("GetRegisteredModel", this, &Self::GetRegisteredModel);
  methods->Unary("SearchRegisteredModels", this,
                 &Self::SearchRegisteredModels);
  methods->Unary("GetLatestVersions", this, &Self::GetLatestVersions);
  methods->Unary("CreateModelVersion", this, &Self::CreateModelVersion);
  methods->Unary("UpdateModelVersion", this, &Self::UpdateModelVersion);
  methods->Unary("TransitionModelVersionStage", this,
                 &Self::TransitionModelVersionStage);
  methods->Unary("DeleteModelVersion", this, &Self::DeleteModelVersion);
  methods->Unary("GetModelVersion", this, &Self::GetModelVersion);
  methods->Unary("SearchModelVersions", this, &Self::SearchModelVersions);
  methods->Unary("GetModelVersionDownloadUri", this,
                 &Self::GetModelVersionDownloadUri);
  methods->Unary("SetRegisteredModelTag", this, &Self::SetRegisteredModelTag);
  methods->Unary("SetModelVersionTag", this, &Self::SetModelVersionTag);
  methods->Unary("DeleteRegisteredModelTag", this,
                 &Self::DeleteRegisteredModelTag);
  methods->Unary("DeleteModelVersionTag", this, &Self::DeleteModelVersionTag);
  methods->Unary("SetRegisteredModelAlias", this,
                 &Self::SetRegisteredModelAlias);
  methods->Unary("DeleteRegisteredModelAlias", this,
                 &Self::DeleteRegisteredModelAlias);
  methods->Unary("GetModelVersionByAlias", this,
                 &Self::GetModelVersionByAlias);
}

}  // namespace millstream::server
