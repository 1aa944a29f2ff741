#include "app/backup/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "aws/digest.h"
#include "base/status_macros.h"

namespace millstream::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr absl::Duration kLineInterval = absl::Seconds(5);
// Left on a disk besides what a copy needs.
constexpr uint64_t kRoomBytes = uint64_t{16} << 20;

absl::Status Failed(const char* doing, const std::string& path, int error) {
  const std::string text =
      absl::StrCat("Cannot ", doing, " '", path, "': ", strerror(error), ".");
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(absl::StrCat(
          text, " Make room there, or choose another place. Nothing was left "
                "behind."));
    case ENOENT:
      return absl::NotFoundError(text);
    default:
      return absl::UnavailableError(text);
  }
}

// Owns a file descriptor.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

bool WriteAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// Reads `from` to its end; writes it to `to` unless that is negative.
absl::StatusOr<HashedFile> Read(int from, const std::string& from_path, int to,
                                const std::string& to_path,
                                Progress* progress) {
  std::vector<char> piece(kPieceBytes);
  aws::Sha256Stream hash;
  HashedFile file;
  while (true) {
    const ssize_t n = read(from, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("read", from_path, errno);
    if (n == 0) break;
    const size_t size = static_cast<size_t>(n);
    hash.Add(std::string_view(piece.data(), size));
    if (to >= 0 && !WriteAll(to, piece.data(), size)) {
      return Failed("write", to_path, errno);
    }
    file.bytes += size;
    RETURN_IF_ERROR(progress->Add(size));
  }
  file.sha256 = absl::BytesToHexString(hash.Finish());
  return file;
}

// The lock on a folder that is being made ends with the process.
absl::StatusOr<int> LockFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("open", path, errno);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  close(fd);
  return absl::FailedPreconditionError(absl::StrCat(
      "Another command is making '", path, "'. Wait for it, or choose another "
      "folder."));
}

}  // namespace

std::string BytesInWords(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " bytes");
  double number = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (number >= 1024 && unit + 1 < std::size(kUnits)) {
    number /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", number, kUnits[unit]);
}

Progress::Progress(std::string_view what, uint64_t total_bytes,
                   const Liveness& caller)
    : what_(what),
      total_(total_bytes),
      caller_(caller),
      next_line_(absl::Now() + kLineInterval) {}

absl::Status Progress::Add(uint64_t bytes) {
  done_ += bytes;
  if (absl::Now() >= next_line_) {
    next_line_ = absl::Now() + kLineInterval;
    printf("%s %s of %s\n", std::string(what_).c_str(),
           BytesInWords(done_).c_str(), BytesInWords(total_).c_str());
    fflush(stdout);
  }
  return caller_.Alive();
}

absl::StatusOr<HashedFile> HashFile(const std::string& path,
                                    Progress* progress) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return Failed("open", path, errno);
  return Read(file.get(), path, -1, "", progress);
}

absl::StatusOr<HashedFile> CopyFile(const std::string& from,
                                    const std::string& to, Progress* progress) {
  const Fd source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (source.get() < 0) return Failed("open", from, errno);
  struct stat info;
  if (fstat(source.get(), &info) != 0) return Failed("read", from, errno);
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  if (error) return Failed("make the folder of", to, error.value());
  const Fd copy(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                     info.st_mode & 0777));
  if (copy.get() < 0) return Failed("make", to, errno);
  return Read(source.get(), from, copy.get(), to, progress);
}

absl::StatusOr<HashedFile> LinkOrCopyFile(const std::string& from,
                                          const std::string& to,
                                          Progress* progress, bool* linked) {
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  if (error) return Failed("make the folder of", to, error.value());
  *linked = link(from.c_str(), to.c_str()) == 0;
  return *linked ? HashFile(to, progress) : CopyFile(from, to, progress);
}

absl::StatusOr<std::unique_ptr<NewFolder>> NewFolder::Begin(
    const std::string& path) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(path, error)) &&
      !(fs::is_directory(fs::symlink_status(path, error)) &&
        fs::is_empty(path, error))) {
    return absl::FailedPreconditionError(absl::StrCat(
        "'", path, "' is there already and is no empty folder. Name a folder "
        "that is not there; nothing is ever written over."));
  }
  const fs::path parent = fs::path(path).parent_path();
  fs::create_directories(parent, error);
  if (error) return Failed("make", parent.string(), error.value());
  struct stat here, above;
  if (stat(path.c_str(), &here) == 0 &&
      stat(parent.c_str(), &above) == 0 && here.st_dev != above.st_dev) {
    return absl::FailedPreconditionError(absl::StrCat(
        "'", path, "' is where another file system begins, so it cannot be "
        "put there at once. Name a folder in it, as in '", path, "/1'."));
  }
  const std::string unfinished = path + ".unfinished";
  if (mkdir(unfinished.c_str(), 0700) != 0) {
    if (errno != EEXIST) return Failed("make", unfinished, errno);
    // What a command left that was killed, unless it is still at work.
    ASSIGN_OR_RETURN(const int left, LockFolder(unfinished));
    fs::remove_all(unfinished, error);
    close(left);
    if (error) return Failed("remove", unfinished, error.value());
    if (mkdir(unfinished.c_str(), 0700) != 0) {
      return Failed("make", unfinished, errno);
    }
  }
  ASSIGN_OR_RETURN(const int fd, LockFolder(unfinished));
  return std::unique_ptr<NewFolder>(new NewFolder(path, unfinished, fd));
}

NewFolder::NewFolder(std::string path, std::string unfinished, int fd)
    : path_(std::move(path)), unfinished_(std::move(unfinished)), fd_(fd) {}

NewFolder::~NewFolder() {
  std::error_code error;
  if (!finished_) fs::remove_all(unfinished_, error);
  close(fd_);
}

std::string NewFolder::PathOf(std::string_view name) const {
  return absl::StrCat(unfinished_, "/", std::string(name));
}

absl::Status NewFolder::NeedRoom(uint64_t bytes) const {
  std::error_code error;
  const fs::space_info room = fs::space(unfinished_, error);
  if (error || room.available >= bytes + kRoomBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "The disk of '", path_, "' has ", BytesInWords(room.available),
      " left, and ", BytesInWords(bytes + kRoomBytes),
      " are needed. Make room there, or choose another place. Nothing was left "
      "behind."));
}

bool NewFolder::IsOnFileSystemOf(const std::string& folder) const {
  struct stat here, there;
  return fstat(fd_, &here) == 0 && stat(folder.c_str(), &there) == 0 &&
         here.st_dev == there.st_dev;
}

absl::Status NewFolder::Finish(const std::string& owned_like) {
  struct stat owner;
  if (geteuid() == 0 && stat(owned_like.c_str(), &owner) == 0) {
    std::error_code error;
    bool ok = fchown(fd_, owner.st_uid, owner.st_gid) == 0;
    fs::recursive_directory_iterator entry(unfinished_, error);
    for (const fs::recursive_directory_iterator end; !error && entry != end;
         entry.increment(error)) {
      ok = ok && lchown(entry->path().c_str(), owner.st_uid,
                        owner.st_gid) == 0;
    }
    if (!ok) return Failed("change the owner of", unfinished_, errno);
  }
  if (syncfs(fd_) != 0) return Failed("sync", unfinished_, errno);
  if (rename(unfinished_.c_str(), path_.c_str()) != 0) {
    return Failed("make", path_, errno);
  }
  finished_ = true;
  const std::string parent = fs::path(path_).parent_path().string();
  const Fd above(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (above.get() < 0 || fsync(above.get()) != 0) {
    return Failed("sync", parent, errno);
  }
  return absl::OkStatus();
}

}  // namespace millstream::app
