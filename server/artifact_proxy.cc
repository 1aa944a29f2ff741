// The artifact proxy of ArtifactService: files below --artifacts-destination by
// their path, whoever they belong to.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "server/artifact_service.h"

namespace millstream::server {
namespace {

using storage::ArtifactEntry;
using storage::ArtifactPart;
using storage::ArtifactPartName;
using storage::ArtifactPath;
using storage::ArtifactStore;
using storage::ArtifactUrl;

// MLflow's: how long the URL of a part lives.
constexpr int64_t kPartUrlSeconds = 3600;
constexpr char kPartRoute[] = "/api/2.0/mlflow-artifacts/mpu/part/";

// `path` for a URL: all but unreserved characters and "/" escaped.
std::string EncodePath(std::string_view path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : path) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
        (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' ||
        c == '~' || c == '/') {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

// The file that a multipart request is about: `folder`, and the name of the
// client's own file, whose folders on the client's machine mean nothing here.
absl::StatusOr<ArtifactPath> MultipartTarget(std::string_view folder,
                                             std::string_view file) {
  const size_t slash = file.find_last_of("/\\");
  if (slash != std::string_view::npos) file.remove_prefix(slash + 1);
  ASSIGN_OR_RETURN(const ArtifactPath parent, ArtifactPath::Parse(folder));
  ASSIGN_OR_RETURN(const ArtifactPath name, ArtifactPath::Parse(file));
  if (name.IsRoot()) {
    return InvalidParameter("Invalid path: 'path' must end in a file name.");
  }
  return parent.Join(name);
}

// Errors that MLflow's own route shows in another shape than the rest of its
// API.
absl::Status NoFileName() {
  return WithDetailBody(InvalidParameter(
      "Artifact path must include a filename (cannot end with '/')."));
}

}  // namespace

absl::StatusOr<Download> ArtifactService::DownloadArtifact(
    CallContext& context, const v1::DownloadArtifactRequest& request) {
  ASSIGN_OR_RETURN(ArtifactStore* const store, locations_.Proxy());
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.artifact_path()));
  absl::StatusOr<Download> download = OpenDownload(store, path);
  if (absl::IsInvalidArgument(download.status())) {
    return WithDetailBody(std::move(download).status());
  }
  return download;
}

absl::StatusOr<Upload> ArtifactService::UploadArtifact(
    CallContext& context, const v1::UploadArtifactRequest& first) {
  ASSIGN_OR_RETURN(ArtifactStore* const store, locations_.Proxy());
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(first.artifact_path()));
  if (path.text().empty() || path.text().back() == '/') return NoFileName();
  RETURN_IF_ERROR(CheckNamesFile(path));
  Upload upload;
  ASSIGN_OR_RETURN(upload.sink, store->Create(path));
  return upload;
}

absl::Status ArtifactService::ListProxiedArtifacts(
    CallContext& context, const v1::ListProxiedArtifactsRequest& request,
    v1::ListProxiedArtifactsResponse* response) {
  ASSIGN_OR_RETURN(ArtifactStore* const store, locations_.Proxy());
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.path()));
  ASSIGN_OR_RETURN(std::vector<ArtifactEntry> entries, store->List(path));
  for (ArtifactEntry& entry : entries) {
    v1::FileInfo* file = response->add_files();
    file->set_path(std::move(entry.name));
    file->set_is_dir(entry.is_folder);
    if (!entry.is_folder) file->set_file_size(entry.size);
  }
  return absl::OkStatus();
}

absl::Status ArtifactService::DeleteArtifact(
    CallContext& context, const v1::DeleteArtifactRequest& request,
    v1::DeleteArtifactResponse* response) {
  ASSIGN_OR_RETURN(ArtifactStore* const store, locations_.Proxy());
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.artifact_path()));
  return store->Delete(path);
}

absl::Status ArtifactService::CreateMultipartUpload(
    CallContext& context, const v1::CreateMultipartUploadRequest& request,
    v1::CreateMultipartUploadResponse* response) {
  ASSIGN_OR_RETURN(ArtifactStore* const store, locations_.Proxy());
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   MultipartTarget(request.artifact_path(), request.path()));
  const std::string owner =
      context.identity() == nullptr ? "" : context.identity()->user;
  ASSIGN_OR_RETURN(
      const std::string upload_id,
      store->CreateMultipart(path, request.num_parts(), owner));
  const std::string url =
      StrCat(context.base_url(), kPartRoute, EncodePath(path.canonical()),
             "?upload_id=", upload_id, "&part_number=");
  response->set_upload_id(upload_id);
  for (int64_t number = 1; number <= request.num_parts(); ++number) {
    v1::MultipartUploadCredential* part = response->add_credentials();
    part->set_part_number(number);
    if (store->urls() == nullptr) {
      part->set_url(StrCat(url, number));
      continue;
    }
    ASSIGN_OR_RETURN(ArtifactUrl direct,
                     store->urls()->ToUploadPart(path, upload_id, number,
                                                 kPartUrlSeconds));
    part->set_url(std::move(direct.url));
    for (const auto& [name, value] : direct.headers) {
      (*part->mutable_headers())[name] = value;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Upload> ArtifactService::UploadArtifactPart(
    CallContext& context, const v1::UploadArtifactPartRequest& first) {
  ASSIGN_OR_RETURN(ArtifactStore* const store, locations_.Proxy());
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(first.artifact_path()));
  ASSIGN_OR_RETURN(
      std::unique_ptr<ArtifactPart> sink,
      store->CreatePart(path, first.upload_id(), first.part_number()));
  Upload upload;
  const ArtifactPart* const part = sink.get();
  upload.sink = std::move(sink);
  upload.finished = [part](Upload* finished) {
    auto response = std::make_unique<v1::UploadArtifactPartResponse>();
    response->set_etag(part->etag());
    finished->response = std::move(response);
    finished->etag = StrCat("\"", part->etag(), "\"");
  };
  return upload;
}

absl::Status ArtifactService::CompleteMultipartUpload(
    CallContext& context, const v1::CompleteMultipartUploadRequest& request,
    v1::CompleteMultipartUploadResponse* response) {
  ASSIGN_OR_RETURN(ArtifactStore* const store, locations_.Proxy());
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   MultipartTarget(request.artifact_path(), request.path()));
  if (request.parts_size() > limits::kMultipartPartsMax) {
    return InvalidParameter("An upload has at most ",
                            limits::kMultipartPartsMax, " parts.");
  }
  std::vector<ArtifactPartName> parts;
  parts.reserve(request.parts_size());
  for (const v1::MultipartUploadPart& part : request.parts()) {
    parts.push_back({part.part_number(), part.etag()});
  }
  return store->CompleteMultipart(path, request.upload_id(), parts);
}

absl::Status ArtifactService::AbortMultipartUpload(
    CallContext& context, const v1::AbortMultipartUploadRequest& request,
    v1::AbortMultipartUploadResponse* response) {
  ASSIGN_OR_RETURN(ArtifactStore* const store, locations_.Proxy());
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   MultipartTarget(request.artifact_path(), request.path()));
  return store->AbortMultipart(path, request.upload_id());
}

}  // namespace millstream::server
