#include "storage/artifact/staging.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage {
namespace {

// A folder on the way to a new file may be deleted again before the file is in
// it; so often, it is made again.
constexpr int kRacesMax = 1000;

std::string ParentOf(const ArtifactPath& path) {
  const size_t slash = path.canonical().rfind('/');
  return slash == std::string::npos ? "" : path.canonical().substr(0, slash);
}

// Takes back folders that were made for a file that did not come.
void RemoveFolders(int root, const std::vector<std::string>& made) {
  for (auto path = made.rbegin(); path != made.rend(); ++path) {
    const size_t slash = path->rfind('/');
    const files::Fd parent = files::OpenBeneath(
        root, slash == std::string::npos ? "" : path->substr(0, slash),
        O_PATH | O_DIRECTORY);
    const std::string name =
        slash == std::string::npos ? *path : path->substr(slash + 1);
    if (parent.ok()) unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
  }
}

// Forces the entries of new folders to the disk. One that is gone again needs
// none.
absl::Status SyncParents(int root, const std::vector<std::string>& made) {
  for (const std::string& path : made) {
    const size_t slash = path.rfind('/');
    const files::Fd parent = files::OpenBeneath(
        root, slash == std::string::npos ? "" : path.substr(0, slash),
        O_RDONLY | O_DIRECTORY);
    if (parent.ok()) RETURN_IF_ERROR(files::Sync(parent.get()));
  }
  return absl::OkStatus();
}

// Forces the name of `folder` to the disk, and those of the folders above it
// that were made for it: all below `existing`.
absl::Status SyncNames(std::filesystem::path folder,
                       const std::filesystem::path& existing) {
  do {
    folder = folder.parent_path();
    const files::Fd parent(
        open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // One that may not be read is none of ours.
    if (parent.ok()) RETURN_IF_ERROR(files::Sync(parent.get()));
  } while (folder.has_relative_path() &&
           existing.native().size() < folder.native().size());
  return absl::OkStatus();
}

}  // namespace

const char Staging::kName[] = ".artifact.uploading.staging";

StagedFile::~StagedFile() {
  if (!name_.empty()) unlinkat(folder_, name_.c_str(), 0);
}

absl::StatusOr<std::unique_ptr<StagedFile>> StagedFile::Make(
    int folder, std::string_view prefix) {
  std::string name = StrCat(prefix, files::RandomName());
  files::Fd fd = files::OpenBeneath(folder, name, O_RDWR | O_CREAT | O_EXCL);
  if (!fd.ok()) return files::FromErrno(errno, "make file");
  return std::unique_ptr<StagedFile>(
      new StagedFile(folder, std::move(name), std::move(fd)));
}

bool StagedFile::Rename(int folder, const std::string& name) {
  if (renameat(folder_, name_.c_str(), folder, name.c_str()) != 0) {
    return false;
  }
  name_.clear();
  return true;
}

absl::StatusOr<std::unique_ptr<Staging>> Staging::Open(const std::string& path,
                                                       bool durable,
                                                       int64_t now_ms) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::absolute(path, error);
  std::filesystem::path existing = folder;
  std::error_code missing;
  while (existing.has_relative_path() &&
         !std::filesystem::exists(existing, missing)) {
    existing = existing.parent_path();
  }
  if (!error) std::filesystem::create_directories(folder / kName, error);
  if (error) {
    return absl::FailedPreconditionError(StrCat(
        "cannot make the artifact folder ", path, ": ", error.message()));
  }
  if (durable) RETURN_IF_ERROR(SyncNames(folder, existing));
  std::unique_ptr<Staging> staging(new Staging(folder.string(), durable));
  staging->root_ =
      files::Fd(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (staging->root_.ok()) {
    staging->folder_ = files::OpenBeneath(staging->root_.get(), kName,
                                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }
  if (!staging->folder_.ok() ||
      faccessat(staging->folder_.get(), ".", W_OK | X_OK, 0) != 0) {
    return absl::FailedPreconditionError(
        StrCat("cannot write to the artifact folder ", path));
  }
  staging->DeleteStale(now_ms);
  return staging;
}

absl::Status Staging::CheckTarget(const ArtifactPath& path) const {
  if (path.IsRoot()) {
    return InvalidParameter(
        "Invalid path: it names the artifact root. Add a file name.");
  }
  if (path.IsReserved()) {
    return InvalidParameter("Invalid path: names that begin with '",
                            ArtifactPath::kReservedPrefix, "' are reserved.");
  }
  const files::Fd target =
      files::OpenBeneath(root_.get(), path.canonical(), O_PATH | O_NOFOLLOW);
  struct stat st;
  if (!target.ok()) {
    return errno == ENOENT ? absl::OkStatus()
                           : files::FromErrno(errno, "look up");
  }
  if (fstat(target.get(), &st) == 0 && S_ISDIR(st.st_mode)) {
    return files::FromErrno(EISDIR, "look up");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<StagedFile>> Staging::NewFile() const {
  return StagedFile::Make(folder_.get(), "file-");
}

absl::Status Staging::MoveIntoPlace(StagedFile* file, int target_folder,
                                    const std::string& target_name) const {
  if (file->Rename(target_folder, target_name)) return absl::OkStatus();
  if (errno != EXDEV) return files::FromErrno(errno, "rename");
  // Another disk is mounted below the root: once more, in its own folder.
  ASSIGN_OR_RETURN(
      std::unique_ptr<StagedFile> near,
      StagedFile::Make(target_folder, ArtifactPath::kReservedPrefix));
  struct stat st;
  if (fstat(file->fd(), &st) != 0) return files::FromErrno(errno, "stat");
  RETURN_IF_ERROR(files::AppendFile(file->fd(), st.st_size, near->fd()));
  if (durable_) RETURN_IF_ERROR(files::Sync(near->fd()));
  if (!near->Rename(target_folder, target_name)) {
    return files::FromErrno(errno, "rename");
  }
  return absl::OkStatus();
}

absl::Status Staging::Publish(StagedFile* file,
                              const ArtifactPath& path) const {
  if (durable_) RETURN_IF_ERROR(files::Sync(file->fd()));
  const std::string name(path.name());
  absl::Status status;
  for (int i = 0; i < kRacesMax; ++i) {
    std::vector<std::string> made;
    absl::StatusOr<files::Fd> folder =
        files::OpenOrMakeFolder(root_.get(), ParentOf(path), &made);
    status = folder.ok() ? MoveIntoPlace(file, folder->get(), name)
                         : folder.status();
    if (status.ok()) {
      if (!durable_) return status;
      RETURN_IF_ERROR(SyncParents(root_.get(), made));
      return files::Sync(folder->get());
    }
    RemoveFolders(root_.get(), made);
    if (!absl::IsNotFound(status)) return status;
  }
  return absl::InternalError("artifact store: folder deleted over and over");
}

absl::Status Staging::Discard(int folder, const std::string& name) const {
  if (unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  if (errno != EISDIR && errno != EPERM) {
    return files::FromErrno(errno, "delete");
  }
  const std::string trash = StrCat("trash-", files::RandomName());
  std::string doomed = StrCat(path_, "/", kName, "/", trash);
  if (renameat(folder, name.c_str(), folder_.get(), trash.c_str()) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    if (errno != EXDEV && errno != EBUSY) {
      return files::FromErrno(errno, "delete");
    }
    // Another disk is mounted there: it goes file by file.
    doomed = StrCat("/proc/self/fd/", folder, "/", name);
  }
  // Uploads that had found their folder before it went may still end in it.
  std::error_code error;
  for (int i = 0; i < kRacesMax; ++i) {
    std::filesystem::remove_all(doomed, error);
    if (error != std::errc::directory_not_empty) break;
  }
  if (error) {
    LogError("artifact store: cannot delete ", doomed, ": ", error.message());
  }
  return absl::OkStatus();
}

void Staging::DeleteStale(int64_t now_ms) const {
  const int listing =
      openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = listing < 0 ? nullptr : fdopendir(listing);
  if (dir == nullptr) {
    if (listing >= 0) close(listing);
    return;
  }
  std::vector<std::string> stale;
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    struct stat st;
    if (name == "." || name == ".." ||
        fstatat(folder_.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      continue;
    }
    const int64_t age = now_ms / 1000 - st.st_mtim.tv_sec;
    if (name.starts_with("trash-") || age > limits::kMultipartAgeSecondsMax) {
      stale.push_back(name);
    }
  }
  closedir(dir);
  for (const std::string& name : stale) {
    std::error_code error;
    std::filesystem::remove_all(StrCat(path_, "/", kName, "/", name), error);
    if (error) LogError("artifact store: cannot delete ", name);
  }
}

}  // namespace millstream::storage
