// Files as copies of a data folder want them: hashed while they are copied, and
// a folder that is there whole or not at all.
//
// Statuses have sentences for whoever started the command; they name paths.
// kResourceExhausted: a disk is full.
#ifndef MILLSTREAM_APP_BACKUP_FILES_H_
#define MILLSTREAM_APP_BACKUP_FILES_H_

#include <cstdint>
#include <memory>
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

// A folder on its way: made beside `path`, as "<path>.unfinished", and renamed
// at the end. One that is not finished is removed, by the destructor or, after
// a crash, by the next that begins. Not thread-safe.
class NewFolder {
 public:
  // kFailedPrecondition: there is something at `path` that is no empty folder,
  // or it cannot be made; another command makes it right now. `path` is
  // absolute and does not end in "/".
  static absl::StatusOr<std::unique_ptr<NewFolder>> Begin(
      const std::string& path);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // Of a file in it, while it is on its way.
  std::string PathOf(std::string_view name) const;
  // kResourceExhausted if the disk has less room.
  absl::Status NeedRoom(uint64_t bytes) const;
  // Whether files of that folder can be given a second name here.
  bool IsOnFileSystemOf(const std::string& folder) const;

  // Forces all of it to the disk and gives it its name. If this process is
  // root's, everything in it first becomes the property of whom `owned_like`
  // belongs to.
  absl::Status Finish(const std::string& owned_like);

 private:
  NewFolder(std::string path, std::string unfinished, int fd);

  const std::string path_;
  const std::string unfinished_;
  // Of the unfinished folder, locked.
  const int fd_;
  bool finished_ = false;
};

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_FILES_H_
