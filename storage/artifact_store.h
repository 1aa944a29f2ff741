// Files of runs, models and traces, below one root: a folder of this machine,
// or a bucket's prefix. Which runs and models there are is no concern of this.
//
// Statuses carry an ErrorCode (base/error.h) as listed per method; besides
// these any method may return a status without one, or IO_ERROR: a fault of
// the storage. No message names a path of this machine.
#ifndef MILLSTREAM_STORAGE_ARTIFACT_STORE_H_
#define MILLSTREAM_STORAGE_ARTIFACT_STORE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/byte_stream.h"
#include "storage/artifact_path.h"
#include "storage/artifact_urls.h"

namespace millstream::storage {

// A file opened for reading: its bytes as they were then. Written or deleted
// meanwhile it may end with an error where the store cannot keep what was; it
// is never a mix of both.
struct ArtifactFile {
  // Its Seek works.
  std::unique_ptr<ByteSource> source;
  int64_t size = 0;
  // Milliseconds since the Unix epoch.
  int64_t modified_ms = 0;
};

// One entry of a folder.
struct ArtifactEntry {
  std::string name;
  bool is_folder = false;
  // Bytes; 0 for folders.
  int64_t size = 0;
};

// One part of a multipart upload, open for writing. Finish() makes the part
// count; the same number again replaces it.
class ArtifactPart : public ByteSink {
 public:
  // What CompleteMultipart will want to hear. Opaque. REQUIRES: finished.
  virtual const std::string& etag() const = 0;
};

// A part as the client names it when it completes an upload.
struct ArtifactPartName {
  int64_t number = 0;
  std::string etag;
};

// Without folders of its own (a bucket) a store shows as folders what paths
// have in common, and lets a file be where such a folder is; methods refuse
// that only where has_folders().
//
// Thread-safe. Outlives what it hands out.
class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;

  virtual bool has_folders() const { return true; }

  // Null unless clients can reach the files themselves. As long-lived as this.
  virtual ArtifactUrls* urls() { return nullptr; }

  // RESOURCE_DOES_NOT_EXIST: nothing there. INVALID_PARAMETER_VALUE: it is a
  // folder, or its links lead out of the root.
  virtual absl::StatusOr<ArtifactFile> Open(const ArtifactPath& path) = 0;

  // A sink for a file that appears, whole and in place of what was there, when
  // Finish() returns OK, and is durable then at the store's level. Folders on
  // the way are made. Dropped unfinished it leaves nothing. Of many writers of
  // one path the last to finish wins.
  // INVALID_PARAMETER_VALUE, at once or from Finish(): the path is the root, a
  // folder, below a file, reserved, or leads out of the root.
  virtual absl::StatusOr<std::unique_ptr<ByteSink>> Create(
      const ArtifactPath& path) = 0;

  // The entries of a folder, by name in byte order; none if there is no such
  // folder. Unfinished uploads are not shown. INVALID_PARAMETER_VALUE: its
  // links lead out of the root; RESOURCE_EXHAUSTED: more than
  // limits::kArtifactListEntriesMax.
  virtual absl::StatusOr<std::vector<ArtifactEntry>> List(
      const ArtifactPath& path) = 0;

  // Removes a file or a folder with all in it; OK if there is none. Where
  // there are folders it disappears at once, else file by file. Links are
  // removed, not followed. INVALID_PARAMETER_VALUE: the root itself, reserved,
  // or below a link out.
  virtual absl::Status Delete(const ArtifactPath& path) = 0;

  // --- Multipart: a file sent in parts 1 to N, at the same time and in any
  // order. Nothing is seen at its path before it is complete. Uploads older
  // than limits::kMultipartAgeSecondsMax may be gone.

  // Returns the id of a new upload for `path`. INVALID_PARAMETER_VALUE: as
  // Create, or not 1 <= parts <= limits::kMultipartPartsMax;
  // REQUEST_LIMIT_EXCEEDED: limits::kMultipartUploadsMax are open, or of those
  // of `owner`, if one is named, kMultipartUploadsOfOneMax (in a store that
  // keeps the parts itself).
  virtual absl::StatusOr<std::string> CreateMultipart(
      const ArtifactPath& path, int64_t parts, std::string_view owner) = 0;

  // RESOURCE_DOES_NOT_EXIST: no such upload for this path;
  // INVALID_PARAMETER_VALUE: no such part, or (Write) it is larger than
  // limits::kMultipartPartBytesMax.
  virtual absl::StatusOr<std::unique_ptr<ArtifactPart>> CreatePart(
      const ArtifactPath& path, std::string_view upload_id,
      int64_t number) = 0;

  // Puts the file together, durable as by Create. The parts are all of those
  // that CreateMultipart announced, in order, with their etags, else
  // INVALID_PARAMETER_VALUE and the upload stays open. So it is if a part but
  // the last has less than part_bytes_min().
  // RESOURCE_DOES_NOT_EXIST: no such upload for this path.
  virtual absl::Status CompleteMultipart(
      const ArtifactPath& path, std::string_view upload_id,
      std::span<const ArtifactPartName> parts) = 0;

  // Of all parts but the last.
  virtual int64_t part_bytes_min() const { return 0; }

  // Forgets an upload and its parts. RESOURCE_DOES_NOT_EXIST: no such upload
  // for this path.
  virtual absl::Status AbortMultipart(const ArtifactPath& path,
                                      std::string_view upload_id) = 0;
};

// Stores by the URIs of their roots. Thread-safe.
class ArtifactStoreOpener {
 public:
  virtual ~ArtifactStoreOpener() = default;

  // The scheme of its URIs, in lower case.
  virtual std::string_view scheme() const = 0;

  // The store whose root is `uri`; nothing is asked of it yet. What it hands
  // out needs this opener alone. INVALID_PARAMETER_VALUE: it names no root.
  virtual absl::StatusOr<std::shared_ptr<ArtifactStore>> Open(
      std::string_view uri) = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ARTIFACT_STORE_H_
