// The store against a real MinIO; and what MinIO does not show on demand,
// against a server that does.
#include "storage/s3/s3_artifact_store.h"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "aws/http_client.h"
#include "aws/testing/scripted_server.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/conformance/artifact_store_conformance.h"
#include "storage/s3/testing/minio.h"

namespace millstream::storage {
namespace {

using ::millstream::aws::testing::ScriptedServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::unique_ptr<ArtifactStoreOpener> Opener(
    const aws::Environment& environment) {
  auto opener = OpenS3(
      environment, [](std::string_view) { return "text/x-test"; },
      &Clock::System());
  EXPECT_TRUE(opener.ok()) << opener.status();
  return *std::move(opener);
}

// One opener for all of MinIO's tests, as a server has.
ArtifactStoreOpener* SharedOpener() {
  static const std::unique_ptr<ArtifactStoreOpener> opener =
      Opener(testing::Minio::Shared().environment());
  return opener.get();
}

// A store with a prefix that no other has. (Owned by whoever asked, as the
// suite has it.)
class PrefixedStore final : public ArtifactStore {
 public:
  PrefixedStore() {
    static std::atomic<int> count = 0;
    store_ = *SharedOpener()->Open(StrCat("s3://", testing::Minio::kBucket,
                                          "/top ", ++count, "/\xC3\xBC"));
  }

  bool has_folders() const override { return store_->has_folders(); }
  ArtifactUrls* urls() override { return store_->urls(); }
  int64_t part_bytes_min() const override { return store_->part_bytes_min(); }
  absl::StatusOr<ArtifactFile> Open(const ArtifactPath& path) override {
    return store_->Open(path);
  }
  absl::StatusOr<std::unique_ptr<ByteSink>> Create(
      const ArtifactPath& path) override {
    return store_->Create(path);
  }
  absl::StatusOr<std::vector<ArtifactEntry>> List(
      const ArtifactPath& path) override {
    return store_->List(path);
  }
  absl::Status Delete(const ArtifactPath& path) override {
    return store_->Delete(path);
  }
  absl::StatusOr<std::string> CreateMultipart(
      const ArtifactPath& path, int64_t parts,
      std::string_view owner) override {
    return store_->CreateMultipart(path, parts, owner);
  }
  absl::StatusOr<std::unique_ptr<ArtifactPart>> CreatePart(
      const ArtifactPath& path, std::string_view id, int64_t number) override {
    return store_->CreatePart(path, id, number);
  }
  absl::Status CompleteMultipart(
      const ArtifactPath& path, std::string_view id,
      std::span<const ArtifactPartName> parts) override {
    return store_->CompleteMultipart(path, id, parts);
  }
  absl::Status AbortMultipart(const ArtifactPath& path,
                              std::string_view id) override {
    return store_->AbortMultipart(path, id);
  }

 private:
  std::shared_ptr<ArtifactStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Minio, ArtifactStoreConformance,
                         ::testing::Values(ArtifactStoreBackend{[] {
                           return std::make_unique<PrefixedStore>();
                         }}));

class MinioTest : public ArtifactStoreConformance {
 protected:
  aws::HttpResponse Ask(const std::string& method, const ArtifactUrl& url,
                        std::string body = "") {
    aws::HttpClient http({});
    const std::string prefix = testing::Minio::Shared().url() + "/";
    EXPECT_THAT(url.url, StartsWith(prefix));
    const size_t query = url.url.find('?');
    aws::HttpRequest request;
    request.method = method;
    request.scheme = "http";
    request.host = prefix.substr(7, prefix.size() - 8);
    // Taken as it is: the query is encoded already.
    request.path = url.url.substr(prefix.size() - 1);
    EXPECT_NE(query, std::string::npos);
    for (const auto& [name, value] : url.headers) {
      request.headers.emplace_back(name, value);
    }
    request.direct = true;
    aws::TextBody text(std::move(body));
    if (method == "PUT") request.body = &text;
    const auto response = http.Send(request, 100'000'000);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(aws::HttpResponse());
  }
};

INSTANTIATE_TEST_SUITE_P(Minio, MinioTest,
                         ::testing::Values(ArtifactStoreBackend{[] {
                           return std::make_unique<PrefixedStore>();
                         }}));

TEST_P(MinioTest, ClientsFetchByUrl) {
  Put("dir/a b+\xC3\xBC.txt", "content");
  const auto url = store_->urls()->ToDownload(
      Path("dir/a b+\xC3\xBC.txt"), 60, "attachment; filename=\"a b.txt\"");
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->size, 7);
  const aws::HttpResponse response = Ask("GET", *url);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "content");
  EXPECT_EQ(response.Header("content-type"), "text/x-test");
  EXPECT_EQ(response.Header("content-disposition"),
            "attachment; filename=\"a b.txt\"");
  ArtifactUrl changed = *url;
  changed.url.replace(changed.url.find("/dir/a"), 6, "/dir/b");
  EXPECT_EQ(Ask("GET", changed).status, 403);
  EXPECT_EQ(CodeOf(store_->urls()->ToDownload(Path("no"), 60, "").status()),
            "RESOURCE_DOES_NOT_EXIST");
}

TEST_P(MinioTest, ClientsSendByUrl) {
  const auto url = store_->urls()->ToUpload(Path("dir/new"), 60);
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(Ask("PUT", *url, "sent").status, 200);
  EXPECT_EQ(Get("dir/new"), "sent");
  EXPECT_EQ(CodeOf(store_->urls()->ToUpload(Path(""), 60).status()),
            "INVALID_PARAMETER_VALUE");
}

TEST_P(MinioTest, ClientsSendPartsByUrl) {
  const ArtifactPath path = Path("large");
  const std::string id = *store_->CreateMultipart(path, 2, "");
  const std::string first(limits::kS3PartBytesMin, 'a');
  std::vector<ArtifactPartName> parts;
  for (int64_t number : {1, 2}) {
    const auto url = store_->urls()->ToUploadPart(path, id, number, 60);
    ASSERT_TRUE(url.ok()) << url.status();
    const aws::HttpResponse response =
        Ask("PUT", *url, number == 1 ? first : "b");
    EXPECT_EQ(response.status, 200) << response.body;
    // With its quotes, as clients pass it on.
    parts.push_back({number, std::string(response.Header("etag"))});
  }
  EXPECT_EQ(CodeOf(store_->urls()->ToUploadPart(path, id, 3, 60).status()),
            "INVALID_PARAMETER_VALUE");
  ASSERT_TRUE(store_->CompleteMultipart(path, id, parts).ok());
  EXPECT_TRUE(Get("large") == first + "b");
}

TEST_P(MinioTest, AFileReplacedWhileItIsReadIsNoMix) {
  Put("a", std::string(3'000'000, 'a'));
  absl::StatusOr<ArtifactFile> file = store_->Open(Path("a"));
  ASSERT_TRUE(file.ok());
  Put("a", std::string(3'000'000, 'b'));
  EXPECT_EQ(ReadAll(file->source.get()), "INTERNAL_ERROR");
}

TEST_P(MinioTest, LongKeysAreRefused) {
  std::string path = "d";
  while (path.size() < limits::kS3KeyBytesMax) path += "/d";
  EXPECT_EQ(CodeOf(store_->Create(Path(path)).status()),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Get(path), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_TRUE(store_->Delete(Path(path)).ok());
}

TEST_P(MinioTest, ABucketThatIsNotThereIsSaid) {
  const auto store = *SharedOpener()->Open("s3://no-such-bucket/x");
  EXPECT_EQ(CodeOf(store->List(Path("")).status()), "RESOURCE_DOES_NOT_EXIST");
  auto sink = store->Create(Path("a"));
  ASSERT_TRUE(sink.ok());
  EXPECT_EQ(CodeOf((*sink)->Finish()), "RESOURCE_DOES_NOT_EXIST");
}

TEST_P(MinioTest, BadKeysAreSaid) {
  const aws::Environment real = testing::Minio::Shared().environment();
  const auto opener = Opener([real](const char* name) -> std::string {
    if (std::string_view(name) == "AWS_SECRET_ACCESS_KEY") return "wrong";
    return real(name);
  });
  const auto store = *opener->Open("s3://artifacts/x");
  EXPECT_EQ(CodeOf(store->List(Path("")).status()), "PERMISSION_DENIED");
  EXPECT_EQ(CodeOf(store->Open(Path("a")).status()), "PERMISSION_DENIED");
}

// --- Without MinIO

class ScriptedTest : public ::testing::Test {
 protected:
  ScriptedTest() {
    variables_ = {{"MLFLOW_S3_ENDPOINT_URL", server_.url()},
                  {"AWS_ACCESS_KEY_ID", "ID"},
                  {"AWS_SECRET_ACCESS_KEY", "secret"},
                  {"TMPDIR", ::testing::TempDir()},
                  {"HOME", "/nonexistent"}};
  }

  ArtifactStore* Store(const std::string& uri = "s3://bucket/top") {
    opener_ = Opener([this](const char* name) { return variables_[name]; });
    store_ = *opener_->Open(uri);
    return store_.get();
  }
  static ArtifactPath Path(std::string_view text) {
    return *ArtifactPath::Parse(text);
  }

  ScriptedServer server_;
  std::map<std::string, std::string> variables_;
  std::unique_ptr<ArtifactStoreOpener> opener_;
  std::shared_ptr<ArtifactStore> store_;
};

constexpr char kPage[] =
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
    "<Key>top/a&amp;b </Key><Size>3</Size></Contents><Contents>"
    "<Key>top/</Key><Size>0</Size></Contents><CommonPrefixes>"
    "<Prefix>top/dir/</Prefix></CommonPrefixes></ListBucketResult>";

TEST_F(ScriptedTest, AsksAgainWhenTheStoreIsBusy) {
  server_.Answer(503, "<Error><Code>SlowDown</Code></Error>");
  server_.Answer("");
  server_.Answer(200, kPage);
  const auto entries = Store()->List(Path(""));
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].name, "a&b ");
  EXPECT_TRUE((*entries)[1].is_folder);
}

TEST_F(ScriptedTest, GivesUpInTheEnd) {
  for (int i = 0; i < 5; ++i) server_.Answer(500, "");
  EXPECT_EQ(CodeOf(Store()->List(Path("")).status()),
            "TEMPORARILY_UNAVAILABLE");
  EXPECT_EQ(server_.requests().size(), 5u);
}

TEST_F(ScriptedTest, FollowsTheBucketToItsRegion) {
  server_.Answer(400,
                 "<Error><Code>AuthorizationHeaderMalformed</Code>"
                 "<Region>eu-central-1</Region></Error>");
  server_.Answer(200, kPage);
  server_.Answer(200, kPage);
  ArtifactStore* const store = Store();
  EXPECT_TRUE(store->List(Path("")).ok());
  EXPECT_TRUE(store->List(Path("")).ok());
  const auto requests = server_.requests();
  EXPECT_THAT(requests[0], HasSubstr("/us-east-1/s3/aws4_request"));
  EXPECT_THAT(requests[1], HasSubstr("/eu-central-1/s3/aws4_request"));
  EXPECT_THAT(requests[2], HasSubstr("/eu-central-1/s3/aws4_request"));
}

TEST_F(ScriptedTest, GoesOnWhereADownloadBroke) {
  std::string content;
  for (int i = 0; content.size() < 400'000; ++i) StrAppend(&content, i, " ");
  const auto range = [&](size_t begin, size_t end, size_t sent) {
    return StrCat("HTTP/1.1 206 Partial\r\nContent-Length: ", end - begin,
                  "\r\nContent-Range: bytes ", begin, "-", end - 1, "/",
                  content.size(), "\r\nETag: \"e\"\r\n\r\n",
                  content.substr(begin, sent));
  };
  constexpr size_t kFirst = limits::kHttpClientBufferBytes;
  server_.Answer(range(0, kFirst, kFirst));
  server_.Answer(range(kFirst, content.size(), 50'000));
  server_.Answer(range(kFirst + 50'000, content.size(), content.size()));
  auto file = Store()->Open(Path("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size, static_cast<int64_t>(content.size()));
  EXPECT_TRUE(ReadAll(file->source.get()) == content);
  const auto requests = server_.requests();
  EXPECT_THAT(requests[2], HasSubstr(StrCat("bytes=", kFirst + 50'000, "-")));
  EXPECT_THAT(requests[2], HasSubstr("If-Match: \"e\""));
}

TEST_F(ScriptedTest, RenewsKeysThatHaveExpired) {
  server_.Answer(400, "<Error><Code>ExpiredToken</Code></Error>");
  server_.Answer(200, kPage);
  EXPECT_TRUE(Store()->List(Path("")).ok());
}

TEST_F(ScriptedTest, AnErrorMayComeWithStatus200) {
  server_.Answer(200, "<Error><Code>InternalError</Code></Error>");
  server_.Answer(200, "<CompleteMultipartUploadResult/>");
  EXPECT_TRUE(
      Store()->CompleteMultipart(Path("a"), "1.id", {{{1, "etag"}}}).ok());
  EXPECT_EQ(server_.requests().size(), 2u);
}

// Of "a" and "b", and of both.
constexpr char kFirstEtag[] = "\"0cc175b9c0f1b6a831c399e269772661\"";
constexpr char kSecondEtag[] = "92eb5ffee6ae2fec3ad71c777531578f";
constexpr char kWholeEtag[] =
    "ETag: \"96e024ba2074fe77e8e965ba43a704be-2\"\r\n";

TEST_F(ScriptedTest, AnUploadWhoseCompletionWasNotAnsweredIsComplete) {
  const std::vector<ArtifactPartName> parts = {{1, kFirstEtag},
                                               {2, kSecondEtag}};
  const std::string gone = "<Error><Code>NoSuchUpload</Code></Error>";
  server_.Answer("");
  server_.Answer(404, gone);
  server_.Answer(StrCat("HTTP/1.1 200 OK\r\n", kWholeEtag,
                        "Connection: close\r\n\r\n"));
  const absl::Status status =
      Store()->CompleteMultipart(Path("a"), "2.id", parts);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(server_.requests()[2], StartsWith("HEAD /bucket/top/a "));
  // What lies there may be something else.
  server_.Answer(404, gone);
  server_.Answer(StrCat("HTTP/1.1 200 OK\r\nETag: \"",
                        std::string(32, '0'), "-2\"\r\n",
                        "Connection: close\r\n\r\n"));
  EXPECT_EQ(CodeOf(store_->CompleteMultipart(Path("a"), "2.id", parts)),
            "RESOURCE_DOES_NOT_EXIST");
  // Or nothing.
  server_.Answer(404, gone);
  server_.Answer("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(CodeOf(store_->CompleteMultipart(Path("a"), "2.id", parts)),
            "RESOURCE_DOES_NOT_EXIST");
}

TEST_F(ScriptedTest, SendsWhatUploadsAreToHave) {
  variables_["MLFLOW_S3_UPLOAD_EXTRA_ARGS"] =
      "{\"ServerSideEncryption\": \"aws:kms\", \"ACL\": \"private\"}";
  variables_["MLFLOW_S3_EXPECTED_BUCKET_OWNER"] = "123456789012";
  server_.Answer(200, "");
  auto sink = Store()->Create(Path("a"));
  ASSERT_TRUE((*sink)->Write("data").ok());
  ASSERT_TRUE((*sink)->Finish().ok());
  const std::string request = server_.requests()[0];
  EXPECT_THAT(request, StartsWith("PUT /bucket/top/a HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("x-amz-server-side-encryption: aws:kms\r\n"));
  EXPECT_THAT(request, HasSubstr("x-amz-acl: private\r\n"));
  EXPECT_THAT(request,
              HasSubstr("x-amz-expected-bucket-owner: 123456789012\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: text/x-test\r\n"));
}

TEST_F(ScriptedTest, BucketsCanBeInTheHost) {
  variables_["MLFLOW_S3_ENDPOINT_URL"] = "";
  variables_["AWS_REGION"] = "eu-west-1";
  const auto url = [&](const std::string& uri) {
    return Store(uri)->urls()->ToUpload(Path("k"), 9)->url;
  };
  EXPECT_THAT(url("s3://my-bucket/r"),
              StartsWith("https://my-bucket.s3.eu-west-1.amazonaws.com/r/k?"));
  EXPECT_THAT(url("s3://my.bucket/r"),
              StartsWith("https://s3.eu-west-1.amazonaws.com/my.bucket/r/k?"));
  EXPECT_THAT(url("s3://my-bucket//r/?a=b"),
              StartsWith("https://my-bucket.s3.eu-west-1.amazonaws.com//r/k?"));
  variables_["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] = "path";
  EXPECT_THAT(url("s3://my-bucket"),
              StartsWith("https://s3.eu-west-1.amazonaws.com/my-bucket/k?"));
  variables_["MLFLOW_S3_ENDPOINT_URL"] = "http://minio:9000/base/";
  EXPECT_THAT(url("s3://my-bucket"),
              StartsWith("http://minio:9000/base/my-bucket/k?"));
  variables_["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] = "virtual";
  EXPECT_THAT(url("s3://my-bucket"),
              StartsWith("http://my-bucket.minio:9000/base/k?"));
}

TEST_F(ScriptedTest, OddSettingsAreNamed) {
  const auto refused = [&](const char* name, const char* value) {
    auto variables = variables_;
    variables[name] = value;
    const auto opener =
        OpenS3([&](const char* variable) { return variables[variable]; },
               [](std::string_view) { return ""; }, &Clock::System());
    EXPECT_TRUE(absl::IsInvalidArgument(opener.status())) << name;
    EXPECT_THAT(std::string(opener.status().message()), HasSubstr(name));
  };
  refused("MLFLOW_S3_ENDPOINT_URL", "minio:9000");
  refused("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "both");
  refused("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "[]");
  refused("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "{\"Unknown\": \"x\"}");
  refused("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "{\"ACL\": \"a\\nb\"}");
  Store();
  for (const char* uri : {"", "s3:/", "s3://", "s3:///x", "http://b/x",
                          "s3://b%2Fc/x", "s3://.b", "s3://b@c/x"}) {
    EXPECT_EQ(CodeOf(opener_->Open(uri).status()), "INVALID_PARAMETER_VALUE")
        << uri;
  }
}

TEST_F(ScriptedTest, NoErrorTellsTheSecret) {
  server_.Answer(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>");
  const auto entries = Store()->List(Path(""));
  EXPECT_THAT(std::string(entries.status().message()),
              Not(HasSubstr("secret")));
  EXPECT_EQ(CodeOf(entries.status()), "PERMISSION_DENIED");
}

}  // namespace
}  // namespace millstream::storage
