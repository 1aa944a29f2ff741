#include "auth/watched_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/str_cat.h"

namespace millstream::auth {

WatchedFile::Stamp WatchedFile::Look() const {
  struct stat found {};
  if (stat(path_.c_str(), &found) != 0) return {};
  const auto nanoseconds = [](const timespec& time) {
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {found.st_dev, found.st_ino, found.st_size,
          nanoseconds(found.st_mtim), nanoseconds(found.st_ctim)};
}

bool WatchedFile::HasChanged() const { return Look() != seen_; }

absl::StatusOr<std::string> WatchedFile::Read() {
  // Before it is read: what changes meanwhile is seen next time.
  seen_ = Look();
  errno = 0;
  std::ifstream file(path_, std::ios::binary);
  std::string text(bytes_max_ + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad() || (file.gcount() == 0 && errno != 0)) {
    return absl::NotFoundError(
        StrCat("'", path_, "' cannot be read: ", std::strerror(errno)));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > bytes_max_) {
    return absl::InvalidArgumentError(
        StrCat("'", path_, "' has more than ", bytes_max_, " bytes"));
  }
  text.shrink_to_fit();
  return text;
}

}  // namespace millstream::auth
