// URLs by which clients reach files of a store without this server.
#ifndef MILLSTREAM_STORAGE_ARTIFACT_URLS_H_
#define MILLSTREAM_STORAGE_ARTIFACT_URLS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/artifact_path.h"

namespace millstream::storage {

struct ArtifactUrl {
  std::string url;
  // What must be sent along.
  std::vector<std::pair<std::string, std::string>> headers;
  // Of the file, where it is known.
  int64_t size = 0;
};

// Thread-safe. Whoever has a URL may use it until it expires, so it is for the
// client who asked alone, and in no log. Times are in seconds, at most
// limits::kPresignedUrlSecondsMax.
class ArtifactUrls {
 public:
  virtual ~ArtifactUrls() = default;

  // To fetch a file; as a Content-Disposition the answer has `disposition`.
  // RESOURCE_DOES_NOT_EXIST: no such file.
  virtual absl::StatusOr<ArtifactUrl> ToDownload(
      const ArtifactPath& path, int64_t seconds,
      const std::string& disposition) = 0;

  // To write a file by one PUT.
  virtual absl::StatusOr<ArtifactUrl> ToUpload(const ArtifactPath& path,
                                               int64_t seconds) = 0;

  // To write a part of an upload of ArtifactStore::CreateMultipart by one PUT,
  // whose answer's ETag header is the part's.
  virtual absl::StatusOr<ArtifactUrl> ToUploadPart(const ArtifactPath& path,
                                                   std::string_view upload_id,
                                                   int64_t number,
                                                   int64_t seconds) = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ARTIFACT_URLS_H_
