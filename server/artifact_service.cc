#include "server/artifact_service.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "server/media_type.h"
#include "server/model_lineage.h"
#include "server/method_table.h"
#include "server/registry_names.h"
#include "server/uri.h"
#include "server/validation.h"
#include "storage/registry_store.h"
#include "storage/tracking_store.h"

namespace millstream::server {
namespace {

using storage::ArtifactEntry;
using storage::ArtifactPath;
using storage::ArtifactStore;

template <typename Request>
const std::string& EitherRunId(const Request& request) {
  return request.run_id().empty() ? request.run_uuid() : request.run_id();
}

// A browser's upload: small, and not nothing.
class RunArtifactSink : public ByteSink {
 public:
  explicit RunArtifactSink(std::unique_ptr<ByteSink> file)
      : file_(std::move(file)) {}

  absl::Status Write(std::string_view data) override {
    size_ += static_cast<int64_t>(data.size());
    if (size_ > limits::kUploadArtifactBytesMax) {
      return InvalidParameter(
          "Artifact size is too large. Max size is 10MB; send larger ones "
          "through the artifact proxy.");
    }
    return file_->Write(data);
  }

  absl::Status Finish() override {
    if (size_ == 0) return InvalidParameter("Request must specify data.");
    return file_->Finish();
  }

 private:
  const std::unique_ptr<ByteSink> file_;
  int64_t size_ = 0;
};

}  // namespace

ArtifactService::ArtifactService(storage::TrackingStore* tracking,
                                 storage::RegistryStore* registry,
                                 ArtifactLocations locations, Options options)
    : tracking_(tracking),
      registry_(registry),
      locations_(std::move(locations)),
      options_(options) {}

void ArtifactService::Register(MethodTable* methods) {
  using S = ArtifactService;
  methods->Service(
      v1::ListArtifactsRequest::descriptor()->file()->FindServiceByName(
          "ArtifactService"));
  methods->Unary("ListArtifacts", this, &S::ListArtifacts);
  methods->Unary("ListLoggedModelArtifacts", this,
                 &S::ListLoggedModelArtifacts);
  methods->Downloads("GetRunArtifact", this, &S::GetRunArtifact);
  methods->Downloads("GetModelVersionArtifact", this,
                     &S::GetModelVersionArtifact);
  methods->Downloads("GetLoggedModelArtifact", this,
                     &S::GetLoggedModelArtifact);
  methods->Uploads("UploadRunArtifact", this, &S::UploadRunArtifact);
  methods->Unary("CreatePresignedUploadUrl", this,
                 &S::CreatePresignedUploadUrl);
  methods->Unary("CreatePresignedDownloadUrl", this,
                 &S::CreatePresignedDownloadUrl);
  methods->Downloads("DownloadArtifact", this, &S::DownloadArtifact);
  methods->Uploads("UploadArtifact", this, &S::UploadArtifact);
  methods->Unary("ListProxiedArtifacts", this, &S::ListProxiedArtifacts);
  methods->Unary("DeleteArtifact", this, &S::DeleteArtifact);
  methods->Unary("CreateMultipartUpload", this, &S::CreateMultipartUpload);
  methods->Uploads("UploadArtifactPart", this, &S::UploadArtifactPart);
  methods->Unary("CompleteMultipartUpload", this, &S::CompleteMultipartUpload);
  methods->Unary("AbortMultipartUpload", this, &S::AbortMultipartUpload);
  methods->Unary("GetPresignedDownloadUrl", this, &S::GetPresignedDownloadUrl);
}

absl::StatusOr<Download> OpenDownload(ArtifactStore* store,
                                      const ArtifactPath& path) {
  ASSIGN_OR_RETURN(storage::ArtifactFile file, store->Open(path));
  Download download;
  download.source = std::move(file.source);
  download.file_name = path.name();
  download.content_type = MediaTypeOf(download.file_name);
  download.size = file.size;
  download.modified_ms = file.modified_ms;
  return download;
}

absl::Status CheckNamesFile(const ArtifactPath& path) {
  if (path.NamesFile()) return absl::OkStatus();
  return InvalidParameter("Invalid artifact path: '", path.text(),
                          "'. It must end in a file name and be written "
                          "without '.' and repeated slashes.");
}

absl::StatusOr<std::string> ArtifactService::RunRoot(std::string_view run_id) {
  v1::RunInfo info;
  RETURN_IF_ERROR(tracking_->GetRunInfo(run_id, &info));
  return info.artifact_uri();
}

absl::StatusOr<std::string> ArtifactService::LoggedModelRoot(
    std::string_view model_id) {
  v1::LoggedModel model;
  RETURN_IF_ERROR(
      tracking_->GetLoggedModel(model_id, /*allow_deleted=*/false, &model));
  return model.info().artifact_uri();
}

absl::StatusOr<ArtifactLocations::Location> ArtifactService::Locate(
    std::string_view root, const ArtifactPath& path) const {
  ASSIGN_OR_RETURN(ArtifactLocations::Location location, locations_.Find(root));
  ASSIGN_OR_RETURN(location.path, location.path.Join(path));
  return location;
}

absl::StatusOr<Download> ArtifactService::DownloadBelow(
    std::string_view root, const ArtifactPath& path) const {
  ASSIGN_OR_RETURN(const ArtifactLocations::Location location,
                   Locate(root, path));
  return OpenDownload(location.store.get(), location.path);
}

absl::Status ArtifactService::ListBelow(
    std::string_view root, const ArtifactPath& path,
    google::protobuf::RepeatedPtrField<v1::FileInfo>* files) const {
  ASSIGN_OR_RETURN(const ArtifactLocations::Location location,
                   Locate(root, path));
  ASSIGN_OR_RETURN(std::vector<ArtifactEntry> entries,
                   location.store->List(location.path));
  const std::string& folder = path.text();
  const std::string_view slash =
      folder.empty() || folder.back() == '/' ? "" : "/";
  for (const ArtifactEntry& entry : entries) {
    v1::FileInfo* file = files->Add();
    file->set_path(StrCat(folder, slash, entry.name));
    file->set_is_dir(entry.is_folder);
    if (!entry.is_folder) file->set_file_size(entry.size);
  }
  return absl::OkStatus();
}

absl::Status ArtifactService::ListArtifacts(
    CallContext& context, const v1::ListArtifactsRequest& request,
    v1::ListArtifactsResponse* response) {
  if (EitherRunId(request).empty()) return MissingParameter("run_id");
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.path()));
  ASSIGN_OR_RETURN(std::string root, RunRoot(EitherRunId(request)));
  RETURN_IF_ERROR(ListBelow(root, path, response->mutable_files()));
  response->set_root_uri(std::move(root));
  return absl::OkStatus();
}

absl::Status ArtifactService::ListLoggedModelArtifacts(
    CallContext& context, const v1::ListLoggedModelArtifactsRequest& request,
    v1::ListLoggedModelArtifactsResponse* response) {
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.artifact_directory_path()));
  ASSIGN_OR_RETURN(std::string root, LoggedModelRoot(request.model_id()));
  RETURN_IF_ERROR(ListBelow(root, path, response->mutable_files()));
  response->set_root_uri(std::move(root));
  return absl::OkStatus();
}

absl::StatusOr<Download> ArtifactService::GetRunArtifact(
    CallContext& context, const v1::GetRunArtifactRequest& request) {
  if (!request.has_path()) return MissingParameter("path");
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.path()));
  if (EitherRunId(request).empty()) {
    return DoesNotExist("Run with id=None not found");
  }
  ASSIGN_OR_RETURN(const std::string root, RunRoot(EitherRunId(request)));
  return DownloadBelow(root, path);
}

absl::StatusOr<Download> ArtifactService::GetModelVersionArtifact(
    CallContext& context, const v1::GetModelVersionArtifactRequest& request) {
  if (!request.has_path()) return MissingParameter("path");
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.path()));
  if (request.name().empty()) return MissingParameter("name");
  if (request.version().empty()) return MissingParameter("version");
  ASSIGN_OR_RETURN(const int64_t version, ParseVersion(request.version()));
  ASSIGN_OR_RETURN(
      const std::string root,
      registry_->GetModelVersionDownloadUri(request.name(), version));
  ASSIGN_OR_RETURN(const ArtifactLocations::Location location,
                   Locate(root, path));
  if (location.opened_by_uri) {
    RETURN_IF_ERROR(CheckOwnsFiles(*registry_, *tracking_, request.name(),
                                   version, root));
  }
  return OpenDownload(location.store.get(), location.path);
}

absl::StatusOr<Download> ArtifactService::GetLoggedModelArtifact(
    CallContext& context, const v1::GetLoggedModelArtifactRequest& request) {
  if (request.artifact_file_path().empty()) {
    return MakeError(
        v1::BAD_REQUEST,
        "Request must include the \"artifact_file_path\" query parameter.");
  }
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.artifact_file_path()));
  ASSIGN_OR_RETURN(const std::string root, LoggedModelRoot(request.model_id()));
  return DownloadBelow(root, path);
}

absl::StatusOr<Upload> ArtifactService::UploadRunArtifact(
    CallContext& context, const v1::UploadRunArtifactRequest& first) {
  if (first.run_uuid().empty()) {
    return InvalidParameter("Request must specify run_uuid.");
  }
  if (first.path().empty()) {
    return InvalidParameter("Request must specify path.");
  }
  ASSIGN_OR_RETURN(const ArtifactPath path, ArtifactPath::Parse(first.path()));
  RETURN_IF_ERROR(CheckNamesFile(path));
  ASSIGN_OR_RETURN(const std::string root, RunRoot(first.run_uuid()));
  ASSIGN_OR_RETURN(const ArtifactLocations::Location location,
                   Locate(root, path));
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSink> file,
                   location.store->Create(location.path));
  Upload upload;
  upload.sink = std::make_unique<RunArtifactSink>(std::move(file));
  return upload;
}

}  // namespace millstream::server
