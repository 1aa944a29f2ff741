#include "app/artifact_stores.h"

#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "storage/artifact/local_artifact_store.h"

namespace millstream::app {

absl::StatusOr<ArtifactStores> ArtifactStores::Open(const Config& config) {
  ArtifactStores stores;
  ASSIGN_OR_RETURN(stores.proxied_, storage::OpenLocalArtifactStore(
                                        {.folder = config.artifacts_dir,
                                         .durability = config.durability}));
  if (!config.artifact_root_dir.empty() &&
      config.artifact_root_dir != config.artifacts_dir) {
    ASSIGN_OR_RETURN(stores.root_, storage::OpenLocalArtifactStore(
                                       {.folder = config.artifact_root_dir,
                                        .durability = config.durability}));
  }
  return stores;
}

server::ArtifactLocations ArtifactStores::Locations(
    const Config& config) const {
  std::vector<server::ArtifactLocations::LocalRoot> roots;
  roots.push_back({config.artifacts_dir, proxied_.get()});
  if (root_ != nullptr) {
    roots.push_back({config.artifact_root_dir, root_.get()});
  }
  return server::ArtifactLocations(
      config.serve_artifacts ? proxied_.get() : nullptr, std::move(roots));
}

}  // namespace millstream::app
