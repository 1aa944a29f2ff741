// Where files of a local store lie until they are whole: a hidden folder in the
// store's root, so that one rename shows them. For this folder alone.
#ifndef MILLSTREAM_STORAGE_ARTIFACT_STAGING_H_
#define MILLSTREAM_STORAGE_ARTIFACT_STAGING_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/artifact/files.h"
#include "storage/artifact_path.h"

namespace millstream::storage {

// A file in the making. Deleted with this object unless it was renamed or
// published.
class StagedFile {
 public:
  // Makes a file with a name of its own in `folder`, which outlives this.
  static absl::StatusOr<std::unique_ptr<StagedFile>> Make(
      int folder, std::string_view prefix);
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  ~StagedFile();

  int fd() const { return fd_.get(); }

  // Moves it to `name` in `folder`, in place of what is there. False, with
  // errno, if that fails; the file is still this object's then.
  bool Rename(int folder, const std::string& name);

 private:
  StagedFile(int folder, std::string name, files::Fd fd)
      : folder_(folder), name_(std::move(name)), fd_(std::move(fd)) {}

  const int folder_;
  std::string name_;  // empty once renamed
  files::Fd fd_;
};

// Thread-safe. Outlives its StagedFiles.
class Staging {
 public:
  // Name of the staging folder.
  static const char kName[];

  // Opens the root at `path` on this machine, making it if it is missing, and
  // deletes what a server that died more than
  // limits::kMultipartAgeSecondsMax ago left in the staging folder.
  static absl::StatusOr<std::unique_ptr<Staging>> Open(const std::string& path,
                                                       bool durable,
                                                       int64_t now_ms);

  int root() const { return root_.get(); }
  int folder() const { return folder_.get(); }
  bool durable() const { return durable_; }

  // OK if a file may come to be at `path`, as it looks now.
  absl::Status CheckTarget(const ArtifactPath& path) const;

  // A new file in the staging folder.
  absl::StatusOr<std::unique_ptr<StagedFile>> NewFile() const;

  // Moves `file` to `path`, in place of what is there; durable if durable().
  absl::Status Publish(StagedFile* file, const ArtifactPath& path) const;

  // Moves `name` of `folder` (a file or folder of the root's) out of sight,
  // then deletes it. OK if there is none.
  absl::Status Discard(int folder, const std::string& name) const;

  // Deletes uploads that have lain too long.
  void DeleteStale(int64_t now_ms) const;

 private:
  Staging(std::string path, bool durable)
      : path_(std::move(path)), durable_(durable) {}

  absl::Status MoveIntoPlace(StagedFile* file, int target_folder,
                             const std::string& target_name) const;

  const std::string path_;  // of the root
  const bool durable_;
  files::Fd root_;
  files::Fd folder_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ARTIFACT_STAGING_H_
