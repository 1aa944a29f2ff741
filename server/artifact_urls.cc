// Presigned URLs of ArtifactService: clients fetch and send files without us,
// where the storage lets them.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "server/artifact_service.h"
#include "server/uri.h"
#include "server/validation.h"

namespace millstream::server {
namespace {

using storage::ArtifactPath;
using storage::ArtifactStore;
using storage::ArtifactUrl;

// MLflow's, where the caller does not say.
constexpr int64_t kUploadSeconds = 900;

// How the storage is to name what it sends: as a file to keep, whatever it is.
std::string Disposition(std::string_view name) {
  const bool is_plain =
      std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return absl::ascii_isprint(c) && c != '"' && c != '\\';
      });
  if (is_plain) return StrCat("attachment; filename=\"", name, "\"");
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const unsigned char c : name) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_') {
      encoded += static_cast<char>(c);
    } else {
      encoded += '%';
      encoded += kHex[c >> 4];
      encoded += kHex[c & 15];
    }
  }
  return StrCat("attachment; filename*=UTF-8''", encoded);
}

absl::Status CheckSeconds(int64_t seconds) {
  if (seconds >= 1 && seconds <= limits::kPresignedUrlSecondsMax) {
    return absl::OkStatus();
  }
  return InvalidParameter("expiration must be between 1 and ",
                          limits::kPresignedUrlSecondsMax, " seconds (got ",
                          seconds, ").");
}

}  // namespace

absl::Status ArtifactService::CreatePresignedUploadUrl(
    CallContext& context, const v1::CreatePresignedUploadUrlRequest& request,
    v1::CreatePresignedUploadUrlResponse* response) {
  if (request.path().empty()) return MissingParameter("path");
  if (request.run_id().empty() == request.model_id().empty()) {
    return InvalidParameter(
        "Exactly one of run_id and model_id must be provided.");
  }
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.path()));
  ASSIGN_OR_RETURN(const std::string root,
                   request.run_id().empty()
                       ? LoggedModelRoot(request.model_id())
                       : RunRoot(request.run_id()));
  if (IsProxiedUri(root)) {
    return InvalidParameter(
        "Presigned upload is not supported for proxied artifact storage "
        "(artifact URI scheme: ",
        SplitUri(root).scheme,
        "). This endpoint requires a direct cloud storage artifact URI.");
  }
  absl::StatusOr<ArtifactLocations::Location> location = Locate(root, path);
  if (SplitUri(root).scheme.empty() || SplitUri(root).scheme == "file" ||
      (location.ok() && location->store->urls() == nullptr)) {
    return MakeError(v1::NOT_IMPLEMENTED,
                     "Presigned upload is not supported for the current "
                     "artifact repository");
  }
  RETURN_IF_ERROR(location.status());
  const int64_t seconds =
      request.has_expiration() ? request.expiration() : kUploadSeconds;
  RETURN_IF_ERROR(CheckSeconds(seconds));
  ASSIGN_OR_RETURN(ArtifactUrl url,
                   location->store->urls()->ToUpload(location->path, seconds));
  response->set_presigned_url(std::move(url.url));
  for (const auto& [name, value] : url.headers) {
    (*response->mutable_headers())[name] = value;
  }
  return absl::OkStatus();
}

absl::Status ArtifactService::CreatePresignedDownloadUrl(
    CallContext& context, const v1::CreatePresignedDownloadUrlRequest& request,
    v1::CreatePresignedDownloadUrlResponse* response) {
  if (request.run_id().empty()) return MissingParameter("run_id");
  if (request.path().empty()) return MissingParameter("path");
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.path()));
  const int64_t seconds = request.has_expiration()
                              ? request.expiration()
                              : options_.presigned_download_seconds;
  RETURN_IF_ERROR(CheckSeconds(seconds));
  ASSIGN_OR_RETURN(const std::string root, RunRoot(request.run_id()));
  if (IsProxiedUri(root)) {
    return InvalidParameter(
        "Presigned download is not supported for runs with proxied artifact "
        "storage (artifact URI scheme: ",
        SplitUri(root).scheme,
        "). This endpoint requires a run with a direct cloud storage artifact "
        "URI.");
  }
  absl::StatusOr<ArtifactLocations::Location> location = Locate(root, path);
  if (SplitUri(root).scheme.empty() || SplitUri(root).scheme == "file" ||
      (location.ok() && location->store->urls() == nullptr)) {
    return MakeError(v1::NOT_IMPLEMENTED,
                     "Presigned download is not supported for the current "
                     "artifact repository");
  }
  RETURN_IF_ERROR(location.status());
  ASSIGN_OR_RETURN(ArtifactUrl url, location->store->urls()->ToDownload(
                                        location->path, seconds,
                                        Disposition(location->path.name())));
  response->set_presigned_url(std::move(url.url));
  response->set_file_size(url.size);
  return absl::OkStatus();
}

absl::Status ArtifactService::GetPresignedDownloadUrl(
    CallContext& context, const v1::GetPresignedDownloadUrlRequest& request,
    v1::GetPresignedDownloadUrlResponse* response) {
  ASSIGN_OR_RETURN(ArtifactStore* const store, locations_.Proxy());
  ASSIGN_OR_RETURN(const ArtifactPath path,
                   ArtifactPath::Parse(request.artifact_path()));
  if (store->urls() == nullptr) {
    return MakeError(v1::NOT_IMPLEMENTED,
                     "Multipart download is not supported for the current "
                     "artifact repository");
  }
  ASSIGN_OR_RETURN(
      ArtifactUrl url,
      store->urls()->ToDownload(path, options_.presigned_download_seconds,
                                Disposition(path.name())));
  response->set_url(std::move(url.url));
  response->set_file_size(url.size);
  return absl::OkStatus();
}

}  // namespace millstream::server
