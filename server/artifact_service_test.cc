// Files as the service answers for them, over real stores. What an artifact
// store does is in storage/conformance/artifact_store_conformance.h, which
// paths there are in storage/artifact_path_test.cc.
#include "server/artifact_service.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/call_context.h"
#include "storage/registry_store.h"
#include "storage/testing/local_artifacts.h"
#include "storage/testing/sqlite_stores.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr v1::ErrorCode kOk = v1::ERROR_CODE_UNSPECIFIED;
constexpr char kRun[] = "0123456789abcdef0123456789abcdef";
constexpr char kModel[] = "m-0123456789abcdef0123456789abcdef";

std::string ReadAll(ByteSource* source) {
  std::string bytes;
  char buffer[1024];
  for (;;) {
    const absl::StatusOr<size_t> count = source->Read(buffer);
    EXPECT_TRUE(count.ok()) << count.status();
    if (!count.ok() || *count == 0) return bytes;
    bytes.append(buffer, *count);
  }
}

// Writes `data` to what an rpc opened, and finishes.
absl::Status Fill(absl::StatusOr<Upload> upload, std::string_view data) {
  if (!upload.ok()) return std::move(upload).status();
  if (absl::Status status = upload->sink->Write(data); !status.ok()) {
    return status;
  }
  return upload->Finish();
}

template <typename Response>
std::vector<std::string> PathsOf(const Response& response) {
  std::vector<std::string> paths;
  for (const v1::FileInfo& file : response.files()) {
    paths.push_back(file.is_dir() ? file.path() + "/" : file.path());
  }
  return paths;
}

class ArtifactServiceTest : public ::testing::Test {
 protected:
  ArtifactServiceTest() {
    v1::RunInfo info;
    info.set_run_id(kRun);
    info.set_experiment_id("0");
    info.set_status(v1::RUNNING);
    v1::Run run;
    EXPECT_TRUE(stores_.tracking()->CreateRun(info, {}, &run).ok());
    v1::LoggedModel model, created;
    model.mutable_info()->set_model_id(kModel);
    model.mutable_info()->set_experiment_id("0");
    model.mutable_info()->set_name("model");
    model.mutable_info()->set_status(v1::LOGGED_MODEL_READY);
    EXPECT_TRUE(stores_.tracking()->CreateLoggedModel(model, &created).ok());
  }

  absl::Status PutOfRun(std::string_view path, std::string_view data) {
    v1::UploadRunArtifactRequest first;
    first.set_run_uuid(kRun);
    first.set_path(std::string(path));
    return Fill(service_.UploadRunArtifact(context_, first), data);
  }
  absl::Status Put(std::string_view path, std::string_view data) {
    v1::UploadArtifactRequest first;
    first.set_artifact_path(std::string(path));
    return Fill(service_.UploadArtifact(context_, first), data);
  }
  absl::StatusOr<Download> GetOfRun(std::string_view path) {
    v1::GetRunArtifactRequest request;
    request.set_run_id(kRun);
    request.set_path(std::string(path));
    return service_.GetRunArtifact(context_, request);
  }
  absl::StatusOr<Download> Get(std::string_view path) {
    v1::DownloadArtifactRequest request;
    request.set_artifact_path(std::string(path));
    return service_.DownloadArtifact(context_, request);
  }
  // The bytes, or the name of the error.
  static std::string Text(absl::StatusOr<Download> download) {
    return download.ok() ? ReadAll(download->source.get())
                         : GetErrorName(GetErrorCode(download.status()));
  }
  std::vector<std::string> ListOfRun(std::string_view path) {
    v1::ListArtifactsRequest request;
    request.set_run_id(kRun);
    request.set_path(std::string(path));
    v1::ListArtifactsResponse response;
    const absl::Status status =
        service_.ListArtifacts(context_, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return PathsOf(response);
  }
  // The id of a new upload to "folder/file".
  std::string BeginMultipart(int64_t parts) {
    v1::CreateMultipartUploadRequest request;
    request.set_artifact_path("folder");
    request.set_path("file");
    request.set_num_parts(parts);
    v1::CreateMultipartUploadResponse response;
    const absl::Status status =
        service_.CreateMultipartUpload(context_, request, &response);
    EXPECT_TRUE(status.ok()) << status;
    return response.upload_id();
  }
  absl::StatusOr<Upload> OpenPart(const std::string& id, int64_t number) {
    v1::UploadArtifactPartRequest first;
    first.set_artifact_path("folder/file");
    first.set_upload_id(id);
    first.set_part_number(number);
    return service_.UploadArtifactPart(context_, first);
  }
  // Sends a part; its etag as the answer says it.
  std::string SendPart(const std::string& id, int64_t number,
                       std::string_view data) {
    absl::StatusOr<Upload> part = OpenPart(id, number);
    EXPECT_TRUE(part.ok()) << part.status();
    if (!part.ok()) return "";
    EXPECT_TRUE(part->sink->Write(data).ok());
    EXPECT_TRUE(part->Finish().ok());
    const std::string etag =
        static_cast<const v1::UploadArtifactPartResponse&>(*part->response)
            .etag();
    EXPECT_EQ(part->etag, StrCat("\"", etag, "\""));
    return etag;
  }
  v1::ErrorCode Complete(const std::string& id,
                         const std::vector<std::string>& etags) {
    v1::CompleteMultipartUploadRequest request;
    request.set_artifact_path("folder");
    request.set_path("file");
    request.set_upload_id(id);
    for (const std::string& etag : etags) {
      v1::MultipartUploadPart* part = request.add_parts();
      part->set_part_number(request.parts_size());
      part->set_etag(etag);
    }
    v1::CompleteMultipartUploadResponse response;
    return CodeOf(
        service_.CompleteMultipartUpload(context_, request, &response));
  }

  storage::testing::SqliteStores stores_;
  storage::testing::LocalArtifacts proxy_;
  ArtifactService service_{
      stores_.tracking(), stores_.registry(),
      ArtifactLocations(proxy_.store(),
                        {{proxy_.folder(), proxy_.store()}})};
  CallContext context_{Door::kRest};
};

TEST_F(ArtifactServiceTest, FilesOfARunLieBelowItsRoot) {
  ASSERT_TRUE(PutOfRun("a/b.txt", "hello").ok());
  EXPECT_EQ(Text(GetOfRun("a/b.txt")), "hello");
  EXPECT_EQ(Text(Get(StrCat("0/", kRun, "/artifacts/a/b.txt"))), "hello");
  EXPECT_THAT(ListOfRun(""), ElementsAre("a/"));
  EXPECT_THAT(ListOfRun("a"), ElementsAre("a/b.txt"));
  EXPECT_THAT(ListOfRun("a/"), ElementsAre("a/b.txt"));
  EXPECT_THAT(ListOfRun("none"), IsEmpty());
}

TEST_F(ArtifactServiceTest, ListsTellTheRootAndSizes) {
  ASSERT_TRUE(PutOfRun("f", "12345").ok());
  v1::ListArtifactsRequest request;
  request.set_run_uuid(kRun);
  v1::ListArtifactsResponse response;
  ASSERT_TRUE(service_.ListArtifacts(context_, request, &response).ok());
  EXPECT_EQ(response.root_uri(),
            StrCat("mlflow-artifacts:/0/", kRun, "/artifacts"));
  ASSERT_EQ(response.files_size(), 1);
  EXPECT_EQ(response.files(0).file_size(), 5);
}

TEST_F(ArtifactServiceTest, DownloadsSayWhatComes) {
  ASSERT_TRUE(PutOfRun("a/page.html", "<p>").ok());
  absl::StatusOr<Download> download = GetOfRun("a/page.html");
  ASSERT_TRUE(download.ok()) << download.status();
  EXPECT_EQ(download->file_name, "page.html");
  EXPECT_EQ(download->content_type, "text/html");
  EXPECT_EQ(download->size, 3);
  EXPECT_TRUE(download->modified_ms.has_value());
}

TEST_F(ArtifactServiceTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(Text(GetOfRun("none")), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(Text(Get("none")), "RESOURCE_DOES_NOT_EXIST");
  v1::GetRunArtifactRequest request;
  request.set_run_id("no run");
  request.set_path("f");
  EXPECT_EQ(Text(service_.GetRunArtifact(context_, request)),
            "RESOURCE_DOES_NOT_EXIST");
  v1::UploadRunArtifactRequest first;
  first.set_run_uuid("no run");
  first.set_path("f");
  EXPECT_EQ(CodeOf(service_.UploadRunArtifact(context_, first).status()),
            v1::RESOURCE_DOES_NOT_EXIST);
  v1::GetLoggedModelArtifactRequest of_model;
  of_model.set_model_id("no model");
  of_model.set_artifact_file_path("f");
  EXPECT_EQ(Text(service_.GetLoggedModelArtifact(context_, of_model)),
            "RESOURCE_DOES_NOT_EXIST");
}

TEST_F(ArtifactServiceTest, RequestsNameWhatTheyAreAbout) {
  EXPECT_EQ(Text(service_.GetRunArtifact(context_, {})),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Text(service_.GetModelVersionArtifact(context_, {})),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Text(service_.GetLoggedModelArtifact(context_, {})), "BAD_REQUEST");
  v1::ListArtifactsResponse listed;
  EXPECT_EQ(CodeOf(service_.ListArtifacts(context_, {}, &listed)),
            v1::INVALID_PARAMETER_VALUE);
  v1::UploadRunArtifactRequest first;
  EXPECT_EQ(CodeOf(service_.UploadRunArtifact(context_, first).status()),
            v1::INVALID_PARAMETER_VALUE);
  first.set_run_uuid(kRun);
  EXPECT_EQ(CodeOf(service_.UploadRunArtifact(context_, first).status()),
            v1::INVALID_PARAMETER_VALUE);
}

TEST_F(ArtifactServiceTest, NoPathLeavesItsRoot) {
  for (const char* path :
       {"..", "../x", "a/../../x", "%2e%2e/x", "%252e%252e/x", "/etc/passwd",
        "file:///etc/passwd"}) {
    EXPECT_EQ(Text(GetOfRun(path)), "INVALID_PARAMETER_VALUE") << path;
    EXPECT_EQ(Text(Get(path)), "INVALID_PARAMETER_VALUE") << path;
    EXPECT_EQ(CodeOf(PutOfRun(path, "x")), v1::INVALID_PARAMETER_VALUE) << path;
    EXPECT_EQ(CodeOf(Put(path, "x")), v1::INVALID_PARAMETER_VALUE) << path;
    v1::DeleteArtifactRequest request;
    request.set_artifact_path(path);
    v1::DeleteArtifactResponse response;
    EXPECT_EQ(CodeOf(service_.DeleteArtifact(context_, request, &response)),
              v1::INVALID_PARAMETER_VALUE)
        << path;
    v1::ListProxiedArtifactsRequest list;
    list.set_path(path);
    v1::ListProxiedArtifactsResponse listed;
    EXPECT_EQ(CodeOf(service_.ListProxiedArtifacts(context_, list, &listed)),
              v1::INVALID_PARAMETER_VALUE)
        << path;
  }
}

TEST_F(ArtifactServiceTest, UploadsToARunAreSmallAndNotEmpty) {
  const std::string whole(limits::kUploadArtifactBytesMax, 'x');
  EXPECT_TRUE(PutOfRun("largest", whole).ok());
  EXPECT_EQ(CodeOf(PutOfRun("larger", whole + "x")),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CodeOf(PutOfRun("empty", "")), v1::INVALID_PARAMETER_VALUE);
  EXPECT_THAT(ListOfRun(""), ElementsAre("largest"));
}

TEST_F(ArtifactServiceTest, UploadsNameAFile) {
  for (const char* path : {"a/", "a//b/c", "./a/b", "a/./b"}) {
    EXPECT_EQ(CodeOf(Put(path, "x")), v1::INVALID_PARAMETER_VALUE) << path;
    EXPECT_EQ(CodeOf(PutOfRun(path, "x")), v1::INVALID_PARAMETER_VALUE) << path;
  }
  EXPECT_TRUE(HasDetailBody(Put("a/", "x")));
}

TEST_F(ArtifactServiceTest, TheProxyKeepsListsAndDeletes) {
  ASSERT_TRUE(Put("a/b", "1").ok());
  ASSERT_TRUE(Put("a/c/d", "22").ok());
  v1::ListProxiedArtifactsRequest list;
  list.set_path("a");
  v1::ListProxiedArtifactsResponse listed;
  ASSERT_TRUE(service_.ListProxiedArtifacts(context_, list, &listed).ok());
  EXPECT_THAT(PathsOf(listed), ElementsAre("b", "c/"));
  const absl::Status folder = Get("a/c").status();
  EXPECT_EQ(CodeOf(folder), v1::INVALID_PARAMETER_VALUE);
  EXPECT_TRUE(HasDetailBody(folder));
  v1::DeleteArtifactRequest request;
  request.set_artifact_path("a/c");
  v1::DeleteArtifactResponse response;
  EXPECT_TRUE(service_.DeleteArtifact(context_, request, &response).ok());
  EXPECT_TRUE(service_.DeleteArtifact(context_, request, &response).ok());
  EXPECT_EQ(Text(Get("a/c/d")), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(Text(Get("a/b")), "1");
}

TEST_F(ArtifactServiceTest, WithoutAProxyItsRpcsSayWhichFlagIsMissing) {
  ArtifactService service(stores_.tracking(), stores_.registry(),
                          ArtifactLocations(nullptr, {}));
  const absl::Status status =
      service.DownloadArtifact(context_, {}).status();
  EXPECT_EQ(CodeOf(status), v1::TEMPORARILY_UNAVAILABLE);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--serve-artifacts"));
  v1::GetRunArtifactRequest request;
  request.set_run_id(kRun);
  request.set_path("f");
  EXPECT_EQ(Text(service.GetRunArtifact(context_, request)),
            "INVALID_PARAMETER_VALUE");
}

TEST_F(ArtifactServiceTest, LoggedModelsHaveFilesToo) {
  ASSERT_TRUE(
      Put(StrCat("0/models/", kModel, "/artifacts/MLmodel"), "flavors:").ok());
  v1::ListLoggedModelArtifactsRequest list;
  list.set_model_id(kModel);
  v1::ListLoggedModelArtifactsResponse listed;
  ASSERT_TRUE(service_.ListLoggedModelArtifacts(context_, list, &listed).ok());
  EXPECT_THAT(PathsOf(listed), ElementsAre("MLmodel"));
  v1::GetLoggedModelArtifactRequest request;
  request.set_model_id(kModel);
  request.set_artifact_file_path("MLmodel");
  EXPECT_EQ(Text(service_.GetLoggedModelArtifact(context_, request)),
            "flavors:");
}

TEST_F(ArtifactServiceTest, ModelVersionsHaveFilesToo) {
  ASSERT_TRUE(PutOfRun("model/MLmodel", "flavors:").ok());
  v1::RegisteredModel model, made;
  model.set_name("m");
  ASSERT_TRUE(stores_.registry()->CreateRegisteredModel(model, &made).ok());
  v1::ModelVersion version, created;
  version.set_name("m");
  ASSERT_TRUE(stores_.registry()
                  ->CreateModelVersion(version,
                                       StrCat("mlflow-artifacts:/0/", kRun,
                                              "/artifacts/model"),
                                       &created)
                  .ok());
  v1::GetModelVersionArtifactRequest request;
  request.set_name("m");
  request.set_version("1");
  request.set_path("MLmodel");
  EXPECT_EQ(Text(service_.GetModelVersionArtifact(context_, request)),
            "flavors:");
  request.set_version("2");
  EXPECT_EQ(Text(service_.GetModelVersionArtifact(context_, request)),
            "RESOURCE_DOES_NOT_EXIST");
  request.set_version("one");
  EXPECT_EQ(Text(service_.GetModelVersionArtifact(context_, request)),
            "INVALID_PARAMETER_VALUE");
}

TEST_F(ArtifactServiceTest, MultipartUploadsBecomeOneFile) {
  context_.set_base_url("http://host:1/prefix");
  v1::CreateMultipartUploadRequest request;
  request.set_artifact_path("folder");
  // Folders on the client's machine mean nothing here.
  request.set_path("C:\\data\\file");
  request.set_num_parts(2);
  v1::CreateMultipartUploadResponse response;
  ASSERT_TRUE(
      service_.CreateMultipartUpload(context_, request, &response).ok());
  ASSERT_EQ(response.credentials_size(), 2);
  EXPECT_EQ(response.credentials(1).part_number(), 2);
  EXPECT_EQ(response.credentials(1).url(),
            StrCat("http://host:1/prefix/api/2.0/mlflow-artifacts/mpu/part/"
                   "folder/file?upload_id=",
                   response.upload_id(), "&part_number=2"));
  const std::string second = SendPart(response.upload_id(), 2, "world");
  const std::string first = SendPart(response.upload_id(), 1, "hello ");
  EXPECT_EQ(Text(Get("folder/file")), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(Complete(response.upload_id(), {first, second}), kOk);
  EXPECT_EQ(Text(Get("folder/file")), "hello world");
  EXPECT_EQ(Complete(response.upload_id(), {first, second}),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_F(ArtifactServiceTest, AMultipartUploadStaysOpenUntilItsPartsAreRight) {
  const std::string id = BeginMultipart(1);
  const std::string etag = SendPart(id, 1, "x");
  EXPECT_EQ(Complete(id, {"another"}), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(Complete(id, {etag, etag}), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CodeOf(OpenPart(id, 2).status()), v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(CodeOf(OpenPart("no upload", 1).status()),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(Complete(id, {etag}), kOk);
}

TEST_F(ArtifactServiceTest, MultipartUploadsCanBeAborted) {
  const std::string id = BeginMultipart(1);
  const std::string etag = SendPart(id, 1, "x");
  v1::AbortMultipartUploadRequest request;
  request.set_artifact_path("folder");
  request.set_path("file");
  request.set_upload_id(id);
  v1::AbortMultipartUploadResponse response;
  EXPECT_TRUE(service_.AbortMultipartUpload(context_, request, &response).ok());
  EXPECT_EQ(Complete(id, {etag}), v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(Text(Get("folder/file")), "RESOURCE_DOES_NOT_EXIST");
}

TEST_F(ArtifactServiceTest, ThereAreNoPresignedUrls) {
  v1::CreatePresignedUploadUrlRequest upload;
  upload.set_path("f");
  v1::CreatePresignedUploadUrlResponse upload_url;
  EXPECT_EQ(CodeOf(service_.CreatePresignedUploadUrl(context_, upload,
                                                     &upload_url)),
            v1::INVALID_PARAMETER_VALUE);
  upload.set_run_id(kRun);
  EXPECT_EQ(CodeOf(service_.CreatePresignedUploadUrl(context_, upload,
                                                     &upload_url)),
            v1::INVALID_PARAMETER_VALUE);
  v1::CreatePresignedDownloadUrlRequest download;
  download.set_run_id(kRun);
  download.set_path("f");
  v1::CreatePresignedDownloadUrlResponse download_url;
  for (const int64_t seconds :
       {int64_t{0}, limits::kPresignedUrlSecondsMax + 1}) {
    download.set_expiration(seconds);
    const absl::Status status = service_.CreatePresignedDownloadUrl(
        context_, download, &download_url);
    EXPECT_THAT(std::string(status.message()), HasSubstr("expiration"));
  }
  download.set_expiration(limits::kPresignedUrlSecondsMax);
  const absl::Status status = service_.CreatePresignedDownloadUrl(
      context_, download, &download_url);
  EXPECT_THAT(std::string(status.message()), HasSubstr("proxied"));
}

}  // namespace
}  // namespace millstream::server
