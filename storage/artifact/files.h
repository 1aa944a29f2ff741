// System calls on files below one folder, from which no link leads out. For
// this folder alone.
//
// Errors: errno as an absl::Status with an ErrorCode where the caller is to
// blame. All functions are thread-safe.
#ifndef MILLSTREAM_STORAGE_ARTIFACT_FILES_H_
#define MILLSTREAM_STORAGE_ARTIFACT_FILES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millstream::storage::files {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { Reset(); }

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

// Opens `path`, relative and canonical ("" is `folder` itself), without ever
// leaving `folder`: links that lead out fail with EXDEV or ELOOP. On failure
// the result is not ok() and errno says why. `flags` as for open(2); files are
// created with mode 0666 less the umask.
Fd OpenBeneath(int folder, std::string_view path, int flags);

// As OpenBeneath for a folder, making what is missing on the way. Appends the
// paths of the folders it made, shallowest first, to *made.
absl::StatusOr<Fd> OpenOrMakeFolder(int folder, std::string_view path,
                                    std::vector<std::string>* made);

// errno as a status: INVALID_PARAMETER_VALUE where the path is at fault (a
// file on the way, a link out, too long), RESOURCE_DOES_NOT_EXIST for ENOENT,
// IO_ERROR if the disk is full, else an error without an ErrorCode. `what` is
// for the log.
absl::Status FromErrno(int error, std::string_view what);

// Writes all of `data`.
absl::Status WriteAll(int fd, std::string_view data);

// Appends the first `length` bytes of `from` to `to`, in the kernel where it
// can.
absl::Status AppendFile(int from, int64_t length, int to);

// Forces a file or folder to the disk.
absl::Status Sync(int fd);

// 32 hexadecimal digits that nobody can guess.
std::string RandomName();

}  // namespace millstream::storage::files

#endif  // MILLSTREAM_STORAGE_ARTIFACT_FILES_H_
