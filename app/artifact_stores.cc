#include "app/artifact_stores.h"

#include <string>
#include <utility>
#include <vector>

#include "aws/environment.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "server/media_type.h"
#include "storage/artifact/local_artifact_store.h"
#include "storage/s3/s3_artifact_store.h"

namespace millstream::app {

absl::StatusOr<ArtifactStores> ArtifactStores::Open(const Config& config) {
  ArtifactStores stores;
  auto buckets = storage::OpenS3(aws::ProcessEnvironment, server::MediaTypeOf,
                                 &Clock::System());
  if (buckets.ok()) {
    stores.buckets_ = *std::move(buckets);
  } else if (!config.artifacts_uri.empty()) {
    return buckets.status();
  } else {
    LogWarning("Artifacts in buckets cannot be shown: ",
               StdView(buckets.status().message()));
  }
  if (!config.artifacts_uri.empty()) {
    ASSIGN_OR_RETURN(stores.proxied_,
                     stores.buckets_->Open(config.artifacts_uri));
  } else {
    ASSIGN_OR_RETURN(stores.proxied_, storage::OpenLocalArtifactStore(
                                          {.folder = config.artifacts_dir,
                                           .durability = config.durability}));
  }
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
  if (!config.artifacts_dir.empty()) {
    roots.push_back({config.artifacts_dir, proxied_.get()});
  }
  if (root_ != nullptr) {
    roots.push_back({config.artifact_root_dir, root_.get()});
  }
  std::vector<storage::ArtifactStoreOpener*> openers;
  if (buckets_ != nullptr) openers.push_back(buckets_.get());
  std::vector<std::string> uris;
  for (const std::string& uri :
       {config.artifacts_uri, config.default_artifact_root}) {
    if (uri.find("://") != std::string::npos) uris.push_back(uri);
  }
  return server::ArtifactLocations(
      config.serve_artifacts ? proxied_.get() : nullptr, std::move(roots),
      std::move(openers), uris);
}

}  // namespace millstream::app
