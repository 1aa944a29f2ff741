#include "app/backup/new_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "app/backup/data_files.h"
#include "app/backup/files.h"
#include "base/status_macros.h"
#include "storage/data_directory.h"

namespace millstream::app {
namespace {

namespace fs = std::filesystem;
using storage::kUnfinishedName;

// Left on a disk besides what a copy needs.
constexpr uint64_t kRoomBytes = uint64_t{16} << 20;

// For people who find it.
constexpr char kMark[] =
    "A backup or restore to this folder goes on, or did not end. What is here "
    "is not whole.\n";

absl::Status ThereAlready(const std::string& path, const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat(
      "'", path, "' is there already and ", what, ". Name a folder that is not "
      "there, or an empty one; nothing is ever written over."));
}

// The lock on a folder that is being made ends with the process.
absl::StatusOr<Fd> LockFolder(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return FileError("open", path, errno);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  return absl::FailedPreconditionError(absl::StrCat(
      "Another command is making '", path, "'. Wait for it, or choose another "
      "folder."));
}

// Names in a folder, but for what file systems have there themselves.
absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(path, error);
  for (const fs::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name != kLostAndFound) names.push_back(name);
  }
  if (error) return FileError("read", path, error.value());
  return names;
}

// Takes away what there is of a copy, the mark last.
absl::Status RemoveCopy(const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(path));
  for (const std::string& name : names) {
    if (name != kUnfinishedName && !IsOfACopy(name)) {
      return ThereAlready(path, absl::StrCat("is no empty folder: '", name,
                                             "' is in it"));
    }
  }
  std::error_code error;
  for (const std::string& name : names) {
    if (name == kUnfinishedName) continue;
    const std::string one = absl::StrCat(path, "/", name);
    fs::remove_all(one, error);
    if (error) return FileError("remove", one, error.value());
  }
  const std::string mark = absl::StrCat(path, "/", kUnfinishedName);
  fs::remove(mark, error);
  return error ? FileError("remove", mark, error.value()) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<NewFolder>> NewFolder::Begin(
    const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return BeginIn(path);
  if (fs::exists(fs::symlink_status(path, error))) {
    return ThereAlready(path, "is no folder");
  }
  const std::string parent = fs::path(path).parent_path().string();
  fs::create_directories(parent, error);
  if (error) return FileError("make", parent, error.value());
  return BeginBeside(path);
}

absl::StatusOr<std::unique_ptr<NewFolder>> NewFolder::BeginBeside(
    const std::string& path) {
  const std::string place = path + ".unfinished";
  if (mkdir(place.c_str(), 0700) != 0) {
    if (errno != EEXIST) return FileError("make", place, errno);
    // What a command left that was killed, unless it is still at work.
    ASSIGN_OR_RETURN(const Fd left, LockFolder(place));
    std::error_code error;
    fs::remove_all(place, error);
    if (error) return FileError("remove", place, error.value());
    if (mkdir(place.c_str(), 0700) != 0) {
      return FileError("make", place, errno);
    }
  }
  ASSIGN_OR_RETURN(Fd fd, LockFolder(place));
  std::unique_ptr<NewFolder> folder(
      new NewFolder(path, place, std::move(fd)));
  RETURN_IF_ERROR(folder->Mark());
  return folder;
}

absl::StatusOr<std::unique_ptr<NewFolder>> NewFolder::BeginIn(
    const std::string& path) {
  ASSIGN_OR_RETURN(Fd fd, LockFolder(path));
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return FileError("read", path, errno);
  if (!storage::NeedFinished(path).ok()) RETURN_IF_ERROR(RemoveCopy(path));
  ASSIGN_OR_RETURN(std::vector<std::string> names, NamesIn(path));
  if (!names.empty()) return ThereAlready(path, "is no empty folder");
  std::unique_ptr<NewFolder> folder(new NewFolder(path, path, std::move(fd)));
  folder->mode_before_ = info.st_mode & 07777;
  RETURN_IF_ERROR(folder->Mark());
  // A server that began at the same time may not have seen the mark.
  ASSIGN_OR_RETURN(names, NamesIn(path));
  if (names.size() > 1) {
    RETURN_IF_ERROR(folder->TakeMarkAway());
    folder->finished_ = true;
    return ThereAlready(path, "is no empty folder");
  }
  // The root of a volume may be somebody else's, who says who reads it.
  if (fchmod(folder->fd_.get(), 0700) != 0 && errno != EPERM &&
      errno != EOPNOTSUPP && errno != ENOSYS) {
    return FileError("make private", path, errno);
  }
  return folder;
}

NewFolder::~NewFolder() {
  if (finished_) return;
  if (is_beside_) {
    std::error_code error;
    fs::remove_all(place_, error);
    return;
  }
  RemoveCopy(place_).IgnoreError();
  fchmod(fd_.get(), mode_before_);
}

absl::Status NewFolder::Mark() {
  RETURN_IF_ERROR(WriteNewFile(PathOf(kUnfinishedName), kMark));
  if (fsync(fd_.get()) != 0) return FileError("sync", place_, errno);
  return absl::OkStatus();
}

absl::Status NewFolder::TakeMarkAway() {
  if (unlinkat(fd_.get(), kUnfinishedName, 0) != 0) {
    return FileError("remove", PathOf(kUnfinishedName), errno);
  }
  if (fsync(fd_.get()) != 0) return FileError("sync", place_, errno);
  return absl::OkStatus();
}

std::string NewFolder::PathOf(std::string_view name) const {
  return absl::StrCat(place_, "/", std::string(name));
}

absl::Status NewFolder::NeedRoom(uint64_t bytes) const {
  std::error_code error;
  const fs::space_info room = fs::space(place_, error);
  if (error || room.available >= bytes + kRoomBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "The disk of '", path_, "' has ", BytesInWords(room.available),
      " left, and ", BytesInWords(bytes + kRoomBytes),
      " are needed. Make room there, or choose another place. Nothing was left "
      "behind."));
}

bool NewFolder::IsOnFileSystemOf(const std::string& folder) const {
  struct stat here, there;
  return fstat(fd_.get(), &here) == 0 && stat(folder.c_str(), &there) == 0 &&
         here.st_dev == there.st_dev;
}

absl::Status NewFolder::GiveTo(uid_t user, gid_t group) {
  std::vector<fs::path> paths = {place_};
  std::error_code error;
  fs::recursive_directory_iterator entry(place_, error);
  for (const fs::recursive_directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    if (entry.depth() == 0 && entry->path().filename() == kLostAndFound) {
      entry.disable_recursion_pending();
    } else {
      paths.push_back(entry->path());
    }
  }
  if (error) return FileError("read", place_, error.value());
  for (const fs::path& path : paths) {
    if (lchown(path.c_str(), user, group) == 0) continue;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != EINVAL) {
      return FileError("change the owner of", path.string(), errno);
    }
    printf("Of whom the files in '%s' are, its file system says: it lets "
           "nobody change that.\n", path_.c_str());
    break;
  }
  return absl::OkStatus();
}

absl::Status NewFolder::Finish(const std::string& owned_like) {
  struct stat owner;
  if (geteuid() == 0 && stat(owned_like.c_str(), &owner) == 0) {
    RETURN_IF_ERROR(GiveTo(owner.st_uid, owner.st_gid));
  }
  if (syncfs(fd_.get()) != 0) return FileError("sync", place_, errno);
  RETURN_IF_ERROR(TakeMarkAway());
  if (is_beside_) {
    if (rename(place_.c_str(), path_.c_str()) != 0) {
      return FileError("make", path_, errno);
    }
    place_ = path_;
    const std::string parent = fs::path(path_).parent_path().string();
    const Fd above(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (above.get() < 0 || fsync(above.get()) != 0) {
      return FileError("sync", parent, errno);
    }
  }
  finished_ = true;
  return absl::OkStatus();
}

}  // namespace millstream::app
