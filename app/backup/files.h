// Files as copies of a data folder want them: hashed while they are copied.
//
// Statuses have sentences for whoever started the command; they name paths.
// kResourceExhausted: a disk is full.
#ifndef MILLSTREAM_APP_BACKUP_FILES_H_
#define MILLSTREAM_APP_BACKUP_FILES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/liveness.h"

namespace millstream::app {

// "1.5 GiB".
std::string BytesInWords(uint64_t bytes);

// Says on standard output how far long work is, every few seconds. Not
// thread-safe.
class Progress {
 public:
  // `what` begins its lines: "Copied". Both outlive it.
  Progress(std::string_view what, uint64_t total_bytes, const Liveness& caller);

  // So much more is done. What the caller says, if it no longer waits.
  absl::Status Add(uint64_t bytes);

 private:
  const std::string_view what_;
  const uint64_t total_;
  const Liveness& caller_;
  uint64_t done_ = 0;
  absl::Time next_line_;
};

struct HashedFile {
  uint64_t bytes = 0;
  // Of its SHA-256, 64 hexadecimal digits.
  std::string sha256;
};

// kNotFound: there is no such file.
absl::StatusOr<HashedFile> HashFile(const std::string& path,
                                    Progress* progress);
// Copies bytes and permissions to a new file, and makes the folders above it.
// kNotFound: there is no file `from`.
absl::StatusOr<HashedFile> CopyFile(const std::string& from,
                                    const std::string& to, Progress* progress);
// Gives the file a second name where both are on one file system, else copies
// it. For files that are never written again. Sets *linked.
absl::StatusOr<HashedFile> LinkOrCopyFile(const std::string& from,
                                          const std::string& to,
                                          Progress* progress, bool* linked);

// Writes a small file that is not there yet, for its owner alone, and forces it
// to the disk.
absl::Status WriteNewFile(const std::string& path, std::string_view text);

// "Cannot <doing> '<path>': ...", with what to do. kNotFound: there is none.
absl::Status FileError(const char* doing, const std::string& path, int error);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_FILES_H_
