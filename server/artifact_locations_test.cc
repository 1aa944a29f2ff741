#include "server/artifact_locations.h"

#include <cstdlib>
#include <memory>
#include <string>

#include "base/error.h"
#include "gtest/gtest.h"
#include "storage/artifact/local_artifact_store.h"

namespace millstream::server {
namespace {

std::unique_ptr<storage::ArtifactStore> NewStore() {
  std::string folder = testing::TempDir() + "/locations-XXXXXX";
  return *storage::OpenLocalArtifactStore({.folder = mkdtemp(folder.data())});
}

class ArtifactLocationsTest : public testing::Test {
 protected:
  // "proxy:1/x", "local:x", or the error's code.
  std::string Find(std::string_view uri) const {
    return Find(locations_, uri);
  }
  std::string Find(const ArtifactLocations& locations,
                   std::string_view uri) const {
    absl::StatusOr<ArtifactLocations::Location> found = locations.Find(uri);
    if (!found.ok()) return GetErrorName(GetErrorCode(found.status()));
    const char* store = found->store == proxy_.get()   ? "proxy:"
                        : found->store == inner_.get() ? "inner:"
                                                       : "local:";
    return StrCat(store, found->path.canonical());
  }

  const std::unique_ptr<storage::ArtifactStore> proxy_ = NewStore();
  const std::unique_ptr<storage::ArtifactStore> local_ = NewStore();
  const std::unique_ptr<storage::ArtifactStore> inner_ = NewStore();
  const std::vector<ArtifactLocations::LocalRoot> roots_ = {
      {"/srv/files/", local_.get()}, {"/srv/files/inner", inner_.get()}};
  const ArtifactLocations locations_{proxy_.get(), roots_};
  const ArtifactLocations without_proxy_{nullptr, roots_};
};

TEST_F(ArtifactLocationsTest, ProxiedUrisAreTheProxys) {
  EXPECT_EQ(Find("mlflow-artifacts:/1/run/artifacts"),
            "proxy:1/run/artifacts");
  EXPECT_EQ(Find("mlflow-artifacts:///1/x"), "proxy:1/x");
  EXPECT_EQ(Find("mlflow-artifacts://host:5000/1/x"), "proxy:1/x");
  EXPECT_EQ(Find("mlflow-artifacts:/"), "proxy:");
  EXPECT_EQ(
      Find("http://host/api/2.0/mlflow-artifacts/artifacts/experiments/1"),
      "proxy:experiments/1");
}

TEST_F(ArtifactLocationsTest, NothingLeavesTheProxysRoot) {
  for (const char* uri :
       {"mlflow-artifacts:/../x", "mlflow-artifacts:/a/%2e%2e/%2e%2e/x",
        "http://host/elsewhere", "https://host/"}) {
    EXPECT_EQ(Find(uri), "INVALID_PARAMETER_VALUE") << uri;
  }
}

TEST_F(ArtifactLocationsTest, LocalFilesLieBelowTheirRoots) {
  EXPECT_EQ(Find("/srv/files/1/x"), "local:1/x");
  EXPECT_EQ(Find("file:///srv/files/1/x"), "local:1/x");
  EXPECT_EQ(Find("file:/srv/files"), "local:");
  EXPECT_EQ(Find("file://localhost/srv/files/a%20b"), "local:a b");
  EXPECT_EQ(Find("/srv/files/inner/y"), "inner:y");
}

TEST_F(ArtifactLocationsTest, OtherLocalFilesAreRefused) {
  for (const char* uri :
       {"/etc", "/srv", "/srv/files2/x", "/srv/files/../x", "srv/files/x",
        "./x", "", "file://elsewhere/srv/files/x",
        "file:///srv/files/%2e%2e/x"}) {
    EXPECT_EQ(Find(uri), "INVALID_PARAMETER_VALUE") << uri;
  }
}

TEST_F(ArtifactLocationsTest, StorageThatIsOutOfReachIsNamed) {
  EXPECT_EQ(Find("s3://bucket/x"), "NOT_IMPLEMENTED");
  EXPECT_EQ(Find("gs://bucket/x"), "NOT_IMPLEMENTED");
  EXPECT_EQ(Find("runs:/abc/x"), "NOT_IMPLEMENTED");
}

TEST_F(ArtifactLocationsTest, WithoutProxyOnlyLocalFilesAreServed) {
  EXPECT_EQ(Find(without_proxy_, "mlflow-artifacts:/1/x"),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Find(without_proxy_, "/srv/files/x"), "local:x");
  EXPECT_EQ(GetErrorCode(without_proxy_.Proxy().status()),
            v1::TEMPORARILY_UNAVAILABLE);
}

}  // namespace
}  // namespace millstream::server
