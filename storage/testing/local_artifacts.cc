#include "storage/testing/local_artifacts.h"

#include <cstdlib>
#include <utility>

#include "gtest/gtest.h"
#include "storage/artifact/local_artifact_store.h"

namespace millstream::storage::testing {

LocalArtifacts::LocalArtifacts() {
  absl::StatusOr<std::unique_ptr<ArtifactStore>> store =
      OpenLocalArtifactStore({.folder = folder_.path()});
  if (!store.ok()) {
    ADD_FAILURE() << store.status();
    std::abort();
  }
  store_ = *std::move(store);
}

LocalArtifacts::~LocalArtifacts() = default;

}  // namespace millstream::storage::testing
