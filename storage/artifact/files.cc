#include "storage/artifact/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "absl/strings/escaping.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::storage::files {
namespace {

constexpr int kMode = 0666;
// openat2 asks to be called again when a folder is moved under its feet.
constexpr int kRacesMax = 16;
constexpr size_t kCopyBytes = 1 << 20;

// For kernels and sandboxes without openat2: one name at a time, no links.
Fd OpenWithoutLinks(int folder, std::string_view path, int flags) {
  Fd at;
  while (true) {
    const size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    const bool last = slash == std::string_view::npos;
    const int from = at.ok() ? at.get() : folder;
    Fd next(openat(
        from, name.c_str(),
        O_NOFOLLOW | O_CLOEXEC | (last ? flags : O_PATH | O_DIRECTORY), kMode));
    if (!next.ok() || last) return next;
    at = std::move(next);
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

void Fd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Fd OpenBeneath(int folder, std::string_view path, int flags) {
  static std::atomic<bool> has_openat2{true};
  const std::string name = path.empty() ? "." : std::string(path);
  struct open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? kMode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int i = 0; i < kRacesMax && has_openat2.load(); ++i) {
    const long fd =
        syscall(SYS_openat2, folder, name.c_str(), &how, sizeof(how));
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno == ENOSYS) has_openat2.store(false);
    // EPERM: a sandbox that does not know the call, or really forbidden, and
    // then the slow way finds so too.
    if (errno == ENOSYS || errno == EPERM) break;
    if (errno != EAGAIN && errno != EINTR) return Fd();
  }
  return OpenWithoutLinks(folder, name, flags);
}

absl::StatusOr<Fd> OpenOrMakeFolder(int folder, std::string_view path,
                                    std::vector<std::string>* made) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  Fd fd = OpenBeneath(folder, path, kFlags);
  if (fd.ok()) return fd;
  if (errno != ENOENT) return FromErrno(errno, "open folder");
  Fd parent = OpenBeneath(folder, "", kFlags);
  for (size_t end = 0; parent.ok() && end != path.size();) {
    const size_t begin = end == 0 ? 0 : end + 1;
    end = std::min(path.find('/', begin), path.size());
    const std::string name(path.substr(begin, end - begin));
    if (mkdirat(parent.get(), name.c_str(), 0777) == 0) {
      made->emplace_back(path.substr(0, end));
    } else if (errno != EEXIST) {
      return FromErrno(errno, "make folder");
    }
    Fd next(
        openat(parent.get(), name.c_str(), kFlags | O_NOFOLLOW | O_CLOEXEC));
    // Not a plain folder: a link is followed from the top, if it stays below.
    if (!next.ok()) next = OpenBeneath(folder, path.substr(0, end), kFlags);
    parent = std::move(next);
  }
  if (!parent.ok()) return FromErrno(errno, "open folder");
  return parent;
}

absl::Status FromErrno(int error, std::string_view what) {
  switch (error) {
    case ENOENT:
      return DoesNotExist("No such artifact.");
    case EXDEV:
    case ELOOP:
      return InvalidParameter(
          "Invalid path: a link in it leads out of the artifact root.");
    case ENOTDIR:
      return InvalidParameter(
          "Invalid path: a folder in it is a file. Choose another name.");
    case EISDIR:
      return InvalidParameter(
          "Artifact path refers to a directory, not a file.");
    case ENAMETOOLONG:
    case EINVAL:
    case EILSEQ:
      return InvalidParameter(
          "Invalid path: the artifact storage takes no such name.");
    case ENOSPC:
    case EDQUOT:
      return MakeError(v1::IO_ERROR, "The artifact storage is full.");
    case EFBIG:
      return MakeError(v1::IO_ERROR,
                       "The artifact storage takes no file of this size.");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::UnavailableError(
          StrCat("artifact store: ", what, ": ", std::strerror(error)));
    default:
      return absl::InternalError(
          StrCat("artifact store: ", what, ": ", std::strerror(error)));
  }
}

absl::Status WriteAll(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FromErrno(errno, "write");
    data.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status AppendFile(int from, int64_t length, int to) {
  loff_t offset = 0;
  while (offset < length) {
    const ssize_t n = copy_file_range(from, &offset, to, nullptr,
                                      static_cast<size_t>(length - offset), 0);
    if (n > 0 || (n < 0 && errno == EINTR)) continue;
    // Some file systems cannot, and some say so with 0: through user space.
    if (n == 0 || errno == EXDEV || errno == ENOSYS || errno == EINVAL ||
        errno == EOPNOTSUPP || errno == EPERM) {
      break;
    }
    return FromErrno(errno, "copy");
  }
  std::vector<char> buffer(offset < length ? kCopyBytes : 0);
  while (offset < length) {
    const int64_t left = length - offset;
    const ssize_t n =
        pread(from, buffer.data(),
              std::min(buffer.size(), static_cast<size_t>(left)), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FromErrno(errno, "read");
    if (n == 0) return absl::InternalError("artifact store: part cut short");
    RETURN_IF_ERROR(
        WriteAll(to, std::string_view(buffer.data(), static_cast<size_t>(n))));
    offset += n;
  }
  return absl::OkStatus();
}

absl::Status Sync(int fd) {
  if (fsync(fd) != 0) return FromErrno(errno, "sync");
  return absl::OkStatus();
}

std::string RandomName() {
  char bytes[16];
  size_t have = 0;
  while (have < sizeof(bytes)) {
    const ssize_t n = getrandom(bytes + have, sizeof(bytes) - have, 0);
    if (n > 0) have += static_cast<size_t>(n);
  }
  return absl::BytesToHexString(absl::string_view(bytes, sizeof(bytes)));
}

}  // namespace millstream::storage::files
