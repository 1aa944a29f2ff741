// Where a server keeps artifacts.
#ifndef MILLSTREAM_APP_ARTIFACT_STORES_H_
#define MILLSTREAM_APP_ARTIFACT_STORES_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "app/config.h"
#include "server/artifact_locations.h"
#include "storage/artifact_store.h"

namespace millstream::app {

// Owns the stores: the proxy's folder or bucket, that of the folder that
// --default-artifact-root names if it is another one of this machine, and
// those of buckets, wherever runs have their files.
class ArtifactStores {
 public:
  static absl::StatusOr<ArtifactStores> Open(const Config& config);

  // Borrows the stores.
  server::ArtifactLocations Locations(const Config& config) const;

  // Whether clients can reach by URL what is behind the proxy.
  bool has_urls(const Config& config) const {
    return config.serve_artifacts && proxied_->urls() != nullptr;
  }

 private:
  // Null if the environment does not say how to reach buckets.
  std::unique_ptr<storage::ArtifactStoreOpener> buckets_;
  std::shared_ptr<storage::ArtifactStore> proxied_;
  std::unique_ptr<storage::ArtifactStore> root_;
};

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_ARTIFACT_STORES_H_
