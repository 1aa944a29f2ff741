#include "server/artifact_locations.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "gtest/gtest.h"
#include "storage/artifact_store.h"

namespace millstream::server {
namespace {

// A store to be told from others; nothing is asked of it.
class SomeStore : public storage::ArtifactStore {
 public:
  absl::StatusOr<storage::ArtifactFile> Open(
      const storage::ArtifactPath&) override {
    return Nothing();
  }
  absl::StatusOr<std::unique_ptr<ByteSink>> Create(
      const storage::ArtifactPath&) override {
    return Nothing();
  }
  absl::StatusOr<std::vector<storage::ArtifactEntry>> List(
      const storage::ArtifactPath&) override {
    return Nothing();
  }
  absl::Status Delete(const storage::ArtifactPath&) override {
    return Nothing();
  }
  absl::StatusOr<std::string> CreateMultipart(const storage::ArtifactPath&,
                                              int64_t,
                                              std::string_view) override {
    return Nothing();
  }
  absl::StatusOr<std::unique_ptr<storage::ArtifactPart>> CreatePart(
      const storage::ArtifactPath&, std::string_view, int64_t) override {
    return Nothing();
  }
  absl::Status CompleteMultipart(
      const storage::ArtifactPath&, std::string_view,
      std::span<const storage::ArtifactPartName>) override {
    return Nothing();
  }
  absl::Status AbortMultipart(const storage::ArtifactPath&,
                              std::string_view) override {
    return Nothing();
  }

 private:
  static absl::Status Nothing() { return absl::UnimplementedError(""); }
};

// Opens one store for every URI but "s3://bad".
class SomeOpener : public storage::ArtifactStoreOpener {
 public:
  std::string_view scheme() const override { return "s3"; }
  absl::StatusOr<std::shared_ptr<storage::ArtifactStore>> Open(
      std::string_view uri) override {
    if (uri == "s3://bad") return InvalidParameter("bad");
    opened = uri;
    return store;
  }

  const std::shared_ptr<SomeStore> store = std::make_shared<SomeStore>();
  std::string opened;
};

class ArtifactLocationsTest : public testing::Test {
 protected:
  // "proxy:1/x", "local:x", or the error's code.
  std::string Find(std::string_view uri) const { return Find(locations_, uri); }
  std::string Find(const ArtifactLocations& locations,
                   std::string_view uri) const {
    absl::StatusOr<ArtifactLocations::Location> found = locations.Find(uri);
    if (!found.ok()) return GetErrorName(GetErrorCode(found.status()));
    const storage::ArtifactStore* const at = found->store.get();
    const char* store = at == &proxy_   ? "proxy:"
                        : at == &inner_ ? "inner:"
                                        : "local:";
    return StrCat(store, found->path.canonical());
  }

  SomeStore proxy_;
  SomeStore local_;
  SomeStore inner_;
  const std::vector<ArtifactLocations::LocalRoot> roots_ = {
      {"/srv/files/", &local_}, {"/srv/files/inner", &inner_}};
  const ArtifactLocations locations_{&proxy_, roots_};
  const ArtifactLocations without_proxy_{nullptr, roots_};
};

TEST_F(ArtifactLocationsTest, ProxiedUrisAreTheProxys) {
  EXPECT_EQ(Find("mlflow-artifacts:/1/run/artifacts"), "proxy:1/run/artifacts");
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
  EXPECT_EQ(Find("s3://bucket/x"), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Find("gs://bucket/x"), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Find("runs:/abc/x"), "INVALID_PARAMETER_VALUE");
}

TEST_F(ArtifactLocationsTest, WithoutProxyOnlyLocalFilesAreServed) {
  EXPECT_EQ(Find(without_proxy_, "mlflow-artifacts:/1/x"),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Find(without_proxy_, "/srv/files/x"), "local:x");
  EXPECT_EQ(GetErrorCode(without_proxy_.Proxy().status()),
            v1::TEMPORARILY_UNAVAILABLE);
}

TEST_F(ArtifactLocationsTest, OpenersTakeTheirSchemesWherever) {
  SomeOpener opener;
  const ArtifactLocations locations(&proxy_, roots_, {&opener});
  const auto found = locations.Find("S3://bucket/a%20b//c");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->store, opener.store);
  EXPECT_TRUE(found->path.IsRoot());
  // As it is: what keys look like is for the opener to say.
  EXPECT_EQ(opener.opened, "S3://bucket/a%20b//c");
  EXPECT_EQ(Find(locations, "s3://bad"), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Find(locations, "gs://bucket/x"), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Find("s3://bucket/x"), "INVALID_PARAMETER_VALUE");
}

TEST(OwnPathTest, IsWhereFilesOfAllAreKept) {
  SomeStore proxy, local;
  SomeOpener opener;
  const ArtifactLocations locations(
      &proxy, {{"/srv/files", &local}}, {&opener},
      {"s3://bucket/team/mlflow", "s3://other"});
  const auto path = [&](std::string_view uri) {
    return locations.OwnPath(uri).value_or("elsewhere");
  };
  for (const char* uri :
       {"mlflow-artifacts:/1/run", " mlflow-artifacts:/1/run",
        "MLFLOW-artifacts:1/run", "mlflow-artifacts:///%31/./run",
        "mlflow-artifacts:/1/run?x=/..", "mlflow-artifacts:/1/run#/..",
        "http://host/api/2.0/mlflow-artifacts/artifacts/1/run",
        "/srv/files/1/run", "file:///srv/files/1/run",
        "FILE:/srv/files/%31/run", "s3://bucket/team/mlflow/1/run",
        "S3://bucket/team/mlflow//1/run/",
        "s3://other/1/run?x"}) {
    EXPECT_EQ(path(uri), "1/run") << uri;
  }
  for (const char* uri :
       {"mlflow-artifacts:/", "/srv/files", "s3://bucket/team", "s3://bucket",
        "s3://other/"}) {
    EXPECT_EQ(path(uri), "") << uri;
  }
  // No path of ours, so nobody is permitted anything there.
  EXPECT_EQ(path("mlflow-artifacts:/../x"), "/../x");
  for (const char* uri :
       {"s3://bucket/team/mlflow2/1", "s3://third/team/mlflow",
        "gs://bucket/team/mlflow/1", "/srv/files2/1", "/etc",
        "http://host/1/run", "dbfs:/x"}) {
    EXPECT_EQ(path(uri), "elsewhere") << uri;
  }
}

}  // namespace
}  // namespace millstream::server
