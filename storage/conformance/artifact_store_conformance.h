// What every ArtifactStore must do. A backend's test instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Local, ArtifactStoreConformance,
//                            testing::Values(ArtifactStoreBackend{...}));
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_ARTIFACT_STORE_CONFORMANCE_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_ARTIFACT_STORE_CONFORMANCE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "storage/artifact_store.h"

namespace millstream::storage {

struct ArtifactStoreBackend {
  // A new, empty store.
  std::function<std::unique_ptr<ArtifactStore>()> make;
};

class ArtifactStoreConformance
    : public testing::TestWithParam<ArtifactStoreBackend> {
 protected:
  void SetUp() override { store_ = GetParam().make(); }

  static ArtifactPath Path(std::string_view text);
  void Put(std::string_view path, std::string_view data);
  // The content, or the name of the error's code.
  std::string Get(std::string_view path);
  // "name=size" for files, "name/" for folders.
  std::vector<std::string> List(std::string_view path);

  std::unique_ptr<ArtifactStore> store_;
};

// Reads `source` to its end.
std::string ReadAll(ByteSource* source);
// Name of the ErrorCode, "OK" if none.
std::string CodeOf(const absl::Status& status);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_ARTIFACT_STORE_CONFORMANCE_H_
