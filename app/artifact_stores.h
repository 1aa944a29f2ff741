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

// Owns the stores: the proxy's, and that of the folder that
// --default-artifact-root names if it is another one of this machine.
class ArtifactStores {
 public:
  static absl::StatusOr<ArtifactStores> Open(const Config& config);

  // Borrows the stores.
  server::ArtifactLocations Locations(const Config& config) const;

 private:
  std::unique_ptr<storage::ArtifactStore> proxied_;
  std::unique_ptr<storage::ArtifactStore> root_;
};

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_ARTIFACT_STORES_H_
