// Files of runs, logged models and model versions, and the artifact proxy: the
// service ArtifactService of artifacts.proto, which says what each rpc does.
// One body per rpc, for every door and every store.
#ifndef MILLSTREAM_SERVER_ARTIFACT_SERVICE_H_
#define MILLSTREAM_SERVER_ARTIFACT_SERVICE_H_

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millstream/v1/artifacts.pb.h"
#include "server/artifact_locations.h"
#include "server/call_context.h"
#include "server/transfer.h"

namespace millstream::storage {
class RegistryStore;
class TrackingStore;
}  // namespace millstream::storage

namespace millstream::server {

class MethodTable;

// Thread-safe. Statuses that a caller has caused carry an ErrorCode
// (base/error.h); on error the response is unspecified. Paths that would leave
// their root, however written, are INVALID_PARAMETER_VALUE. Files pass through
// in pieces, never whole. What answers OK is as durable as its store says.
class ArtifactService {
 public:
  struct Options {
    // How long a presigned URL lives whose caller does not say, in seconds.
    int64_t presigned_download_seconds = 300;
  };

  // The stores must outlive the service.
  ArtifactService(storage::TrackingStore* tracking,
                  storage::RegistryStore* registry,
                  ArtifactLocations locations)
      : ArtifactService(tracking, registry, std::move(locations), {}) {}
  ArtifactService(storage::TrackingStore* tracking,
                  storage::RegistryStore* registry,
                  ArtifactLocations locations, Options options);

  // Binds every rpc of the service to its body.
  void Register(MethodTable* methods);

  // --- artifact_service.cc: by owner
  absl::Status ListArtifacts(CallContext& context,
                             const v1::ListArtifactsRequest& request,
                             v1::ListArtifactsResponse* response);
  absl::Status ListLoggedModelArtifacts(
      CallContext& context, const v1::ListLoggedModelArtifactsRequest& request,
      v1::ListLoggedModelArtifactsResponse* response);
  absl::StatusOr<Download> GetRunArtifact(
      CallContext& context, const v1::GetRunArtifactRequest& request);
  absl::StatusOr<Download> GetModelVersionArtifact(
      CallContext& context, const v1::GetModelVersionArtifactRequest& request);
  absl::StatusOr<Download> GetLoggedModelArtifact(
      CallContext& context, const v1::GetLoggedModelArtifactRequest& request);
  absl::StatusOr<Upload> UploadRunArtifact(
      CallContext& context, const v1::UploadRunArtifactRequest& first);

  // --- artifact_urls.cc: without us
  absl::Status CreatePresignedUploadUrl(
      CallContext& context, const v1::CreatePresignedUploadUrlRequest& request,
      v1::CreatePresignedUploadUrlResponse* response);
  absl::Status CreatePresignedDownloadUrl(
      CallContext& context,
      const v1::CreatePresignedDownloadUrlRequest& request,
      v1::CreatePresignedDownloadUrlResponse* response);
  absl::Status GetPresignedDownloadUrl(
      CallContext& context, const v1::GetPresignedDownloadUrlRequest& request,
      v1::GetPresignedDownloadUrlResponse* response);

  // --- artifact_proxy.cc: below --artifacts-destination
  absl::StatusOr<Download> DownloadArtifact(
      CallContext& context, const v1::DownloadArtifactRequest& request);
  absl::StatusOr<Upload> UploadArtifact(CallContext& context,
                                        const v1::UploadArtifactRequest& first);
  absl::Status ListProxiedArtifacts(
      CallContext& context, const v1::ListProxiedArtifactsRequest& request,
      v1::ListProxiedArtifactsResponse* response);
  absl::Status DeleteArtifact(CallContext& context,
                              const v1::DeleteArtifactRequest& request,
                              v1::DeleteArtifactResponse* response);
  absl::Status CreateMultipartUpload(
      CallContext& context, const v1::CreateMultipartUploadRequest& request,
      v1::CreateMultipartUploadResponse* response);
  absl::StatusOr<Upload> UploadArtifactPart(
      CallContext& context, const v1::UploadArtifactPartRequest& first);
  absl::Status CompleteMultipartUpload(
      CallContext& context, const v1::CompleteMultipartUploadRequest& request,
      v1::CompleteMultipartUploadResponse* response);
  absl::Status AbortMultipartUpload(
      CallContext& context, const v1::AbortMultipartUploadRequest& request,
      v1::AbortMultipartUploadResponse* response);

 private:
  // URI of a run's or logged model's files.
  absl::StatusOr<std::string> RunRoot(std::string_view run_id);
  absl::StatusOr<std::string> LoggedModelRoot(std::string_view model_id);

  // What is at `path` below `root`.
  absl::StatusOr<ArtifactLocations::Location> Locate(
      std::string_view root, const storage::ArtifactPath& path) const;
  absl::StatusOr<Download> DownloadBelow(
      std::string_view root, const storage::ArtifactPath& path) const;
  absl::Status ListBelow(
      std::string_view root, const storage::ArtifactPath& path,
      google::protobuf::RepeatedPtrField<v1::FileInfo>* files) const;

  storage::TrackingStore* const tracking_;
  storage::RegistryStore* const registry_;
  const ArtifactLocations locations_;
  const Options options_;
};

// Opens the file at `path` as an answer.
absl::StatusOr<Download> OpenDownload(storage::ArtifactStore* store,
                                      const storage::ArtifactPath& path);

// INVALID_PARAMETER_VALUE unless an upload may go to `path`.
absl::Status CheckNamesFile(const storage::ArtifactPath& path);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_ARTIFACT_SERVICE_H_
