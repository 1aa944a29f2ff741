// Artifacts as files below a folder of this machine, laid out as MLflow lays
// them out: a path below the root is a path of the file system. Nothing that a
// client can send, and no link in the tree, leads out of the folder.
#ifndef MILLSTREAM_STORAGE_ARTIFACT_LOCAL_ARTIFACT_STORE_H_
#define MILLSTREAM_STORAGE_ARTIFACT_LOCAL_ARTIFACT_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "storage/artifact_store.h"
#include "storage/durability.h"

namespace millstream::storage {

struct LocalArtifactStoreOptions {
  // Made if it is missing.
  std::string folder;
  Durability durability = Durability::kMachine;
  // Tells which unfinished uploads are old. Outlives the store.
  const Clock* clock = &Clock::System();
};

// FAILED_PRECONDITION, for whoever starts the server, if the folder cannot be
// made or written to.
absl::StatusOr<std::unique_ptr<ArtifactStore>> OpenLocalArtifactStore(
    const LocalArtifactStoreOptions& options);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ARTIFACT_LOCAL_ARTIFACT_STORE_H_
