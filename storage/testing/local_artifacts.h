// A real artifact store in a folder of its own, for tests of services.
#ifndef MILLSTREAM_STORAGE_TESTING_LOCAL_ARTIFACTS_H_
#define MILLSTREAM_STORAGE_TESTING_LOCAL_ARTIFACTS_H_

#include <memory>
#include <string>

#include "storage/artifact_store.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage::testing {

// Thread-compatible; the store is thread-safe. Aborts the test if it cannot be
// opened.
class LocalArtifacts {
 public:
  LocalArtifacts();
  ~LocalArtifacts();

  ArtifactStore* store() { return store_.get(); }
  // Where the files are, for what came there otherwise.
  const std::string& folder() const { return folder_.path(); }

 private:
  const TempDir folder_;
  std::unique_ptr<ArtifactStore> store_;
};

}  // namespace millstream::storage::testing

#endif  // MILLSTREAM_STORAGE_TESTING_LOCAL_ARTIFACTS_H_
