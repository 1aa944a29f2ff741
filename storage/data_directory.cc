#include "storage/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "base/str_cat.h"

namespace millstream::storage {
namespace {

// The file stays when the server ends: only the lock on it counts. It holds the
// id of the process that locked it last.
constexpr std::string_view kLockFile = "LOCK";

// The process that holds the lock, as it wrote it; empty if unknown.
std::string Holder(int lock_file) {
  char text[32];
  const ssize_t size = pread(lock_file, text, sizeof(text), 0);
  if (size <= 0) return {};
  std::string_view digits(text, static_cast<size_t>(size));
  digits = digits.substr(0, digits.find_first_not_of("0123456789"));
  return StrCat(" (process ", digits, ")");
}

// Writes to the file's start. False: errno says why.
bool WriteAll(int file, std::string_view text) {
  off_t offset = 0;
  while (!text.empty()) {
    const ssize_t written = pwrite(file, text.data(), text.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return true;
}

absl::Status Cannot(std::string_view what, const std::string& path,
                    std::string_view why) {
  return absl::FailedPreconditionError(
      StrCat("The data folder '", path, "' cannot be ", what, ": ", why,
             ". Choose another one."));
}

// `path`, or the nearest folder above it that there is.
std::filesystem::path NearestExisting(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error).lexically_normal();
  while (path.has_relative_path() && !std::filesystem::exists(path, error)) {
    path = path.parent_path();
  }
  return path;
}

bool SyncFolder(const std::filesystem::path& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return false;
  const bool synced = fsync(folder) == 0;
  close(folder);
  return synced;
}

}  // namespace

absl::Status MakePrivateFolder(const std::string& path) {
  std::error_code error;
  const bool existed = std::filesystem::exists(path, error);
  std::filesystem::create_directories(path, error);
  if (error) return Cannot("made", path, error.message());
  if (existed) return absl::OkStatus();
  std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  if (error) return Cannot("made private", path, error.message());
  return absl::OkStatus();
}

absl::Status NeedFinished(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(StrCat(path, "/", kUnfinishedName), error)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      StrCat("The folder '", path, "' holds half a copy ('", kUnfinishedName,
             "' says so): a backup or restore to it goes on, or did not end. "
             "Wait for it, or run it again: it begins anew."));
}

void MakePrivateFile(const std::string& path) {
  const int file =
      open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) close(file);
}

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(
    const std::string& path) {
  // A folder that has been open once has the lock's file, and no copy is ever
  // put there. Who begins one marks the folder before it looks for that file,
  // and we look for the mark after it is there: so one of both stands back.
  if (absl::Status finished = NeedFinished(path); !finished.ok()) {
    return finished;
  }
  const std::string existing = NearestExisting(path).string();
  if (absl::Status made = MakePrivateFolder(path); !made.ok()) return made;
  const std::string lock_path = StrCat(path, "/", kLockFile);
  const int file = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return Cannot("written", path, strerror(errno));
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    const std::string holder = Holder(file);
    close(file);
    if (code != EWOULDBLOCK) return Cannot("locked", path, strerror(code));
    return absl::UnavailableError(
        StrCat("The data folder '", path, "' is in use by another server",
               holder, ". Stop it, or choose another folder."));
  }
  if (absl::Status finished = NeedFinished(path); !finished.ok()) {
    close(file);
    return finished;
  }
  // Only to tell the next one who it was; the lock does not depend on it.
  const std::string id = StrCat(getpid(), "\n");
  if (ftruncate(file, 0) != 0 || !WriteAll(file, id)) {
    const int code = errno;
    close(file);
    return Cannot("written", path, strerror(code));
  }
  return std::unique_ptr<DataDirectory>(
      new DataDirectory(path, existing, file));
}

DataDirectory::DataDirectory(std::string path, std::string existing,
                             int lock_file)
    : path_(std::move(path)),
      existing_(std::move(existing)),
      lock_file_(lock_file) {}

DataDirectory::~DataDirectory() { close(lock_file_); }

std::string DataDirectory::PathOf(std::string_view name) const {
  return StrCat(path_, "/", name);
}

absl::Status DataDirectory::Sync() const {
  std::error_code error;
  std::filesystem::path folder =
      std::filesystem::absolute(path_, error).lexically_normal();
  while (SyncFolder(folder)) {
    if (folder == existing_ || !folder.has_relative_path()) {
      return absl::OkStatus();
    }
    folder = folder.parent_path();
  }
  return absl::UnavailableError(StrCat("The folder '", folder.string(),
                                       "' cannot be synced: ",
                                       strerror(errno), "."));
}

}  // namespace millstream::storage
