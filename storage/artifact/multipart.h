// Multipart uploads of a local store: a folder for each in the staging folder,
// with a file for each part. For this folder alone.
#ifndef MILLSTREAM_STORAGE_ARTIFACT_MULTIPART_H_
#define MILLSTREAM_STORAGE_ARTIFACT_MULTIPART_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "storage/artifact/staging.h"
#include "storage/artifact_store.h"

namespace millstream::storage {

// Thread-safe. Methods as those of ArtifactStore.
class Multipart {
 public:
  // Both outlive this.
  Multipart(const Staging* staging, const Clock* clock)
      : staging_(staging), clock_(clock), cleaned_ms_(clock->NowMs()) {}

  absl::StatusOr<std::string> Create(const ArtifactPath& path, int64_t parts,
                                     std::string_view owner);
  absl::StatusOr<std::unique_ptr<ArtifactPart>> CreatePart(
      const ArtifactPath& path, std::string_view upload_id, int64_t number);
  absl::Status Complete(const ArtifactPath& path, std::string_view upload_id,
                        std::span<const ArtifactPartName> parts);
  absl::Status Abort(const ArtifactPath& path, std::string_view upload_id);

 private:
  // An upload found by its id.
  struct Upload {
    std::string name;  // of its folder in the staging folder
    files::Fd folder;
    int64_t parts = 0;
  };

  absl::StatusOr<Upload> Find(const ArtifactPath& path,
                              std::string_view upload_id) const;
  // REQUEST_LIMIT_EXCEEDED if too many uploads are open, or of those whose ids
  // begin with `mark` too many. Now and then deletes those that lie too long.
  absl::Status MakeRoom(std::string_view mark);

  const Staging* const staging_;
  const Clock* const clock_;
  absl::Mutex mutex_;
  int64_t cleaned_ms_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ARTIFACT_MULTIPART_H_
