#include "app/backup/files.h"

#include <fcntl.h>
#include <stdio.h>
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
#include "app/backup/fd.h"
#include "aws/digest.h"
#include "base/status_macros.h"

namespace millstream::app {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr absl::Duration kLineInterval = absl::Seconds(5);
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
    if (n < 0) return FileError("read", from_path, errno);
    if (n == 0) break;
    const size_t size = static_cast<size_t>(n);
    hash.Add(std::string_view(piece.data(), size));
    if (to >= 0 && !WriteAll(to, piece.data(), size)) {
      return FileError("write", to_path, errno);
    }
    file.bytes += size;
    RETURN_IF_ERROR(progress->Add(size));
  }
  file.sha256 = absl::BytesToHexString(hash.Finish());
  return file;
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
  if (file.get() < 0) return FileError("open", path, errno);
  return Read(file.get(), path, -1, "", progress);
}

absl::StatusOr<HashedFile> CopyFile(const std::string& from,
                                    const std::string& to, Progress* progress) {
  const Fd source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (source.get() < 0) return FileError("open", from, errno);
  struct stat info;
  if (fstat(source.get(), &info) != 0) return FileError("read", from, errno);
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  if (error) return FileError("make the folder of", to, error.value());
  const Fd copy(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                     info.st_mode & 0777));
  if (copy.get() < 0) return FileError("make", to, errno);
  return Read(source.get(), from, copy.get(), to, progress);
}

absl::StatusOr<HashedFile> LinkOrCopyFile(const std::string& from,
                                          const std::string& to,
                                          Progress* progress, bool* linked) {
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  if (error) return FileError("make the folder of", to, error.value());
  *linked = link(from.c_str(), to.c_str()) == 0;
  return *linked ? HashFile(to, progress) : CopyFile(from, to, progress);
}

absl::Status WriteNewFile(const std::string& path, std::string_view text) {
  const Fd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return FileError("make", path, errno);
  if (!WriteAll(file.get(), text.data(), text.size())) {
    return FileError("write", path, errno);
  }
  if (fsync(file.get()) != 0) return FileError("sync", path, errno);
  return absl::OkStatus();
}

absl::Status FileError(const char* doing, const std::string& path, int error) {
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

}  // namespace millstream::app
