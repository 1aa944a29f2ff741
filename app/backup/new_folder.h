// A folder of files that is there whole or is known to be half.
//
// Until it is finished a file "millstream.unfinished" is in it
// (storage/data_directory.h): no server opens it, nothing is restored from it,
// and check says what it is.
//
//   to a name that is not there   made beside it, as "<path>.unfinished", and
//                                 renamed at the end
//   to an empty folder            made in it: the root of a volume cannot be
//                                 renamed, nor a folder in somebody else's
//
// Statuses have sentences for whoever started the command; they name paths.
#ifndef MILLSTREAM_APP_BACKUP_NEW_FOLDER_H_
#define MILLSTREAM_APP_BACKUP_NEW_FOLDER_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "app/backup/fd.h"

namespace millstream::app {

// What is not finished is removed by the destructor or, after a crash, by the
// next that begins at the same place. Not thread-safe.
class NewFolder {
 public:
  // kFailedPrecondition: there is something at `path` that is no empty folder
  // and no rest of a copy that did not end; another command makes it right now;
  // it cannot be made. The "lost+found" of a file system does not count. `path`
  // is absolute and does not end in "/".
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

  // Forces all of it to the disk and makes it whole. If this process is root's,
  // everything in it first becomes the property of whom `owned_like` belongs
  // to, where the file system knows owners.
  absl::Status Finish(const std::string& owned_like);

 private:
  NewFolder(std::string path, std::string place, Fd fd)
      : path_(std::move(path)),
        is_beside_(place != path_),
        place_(std::move(place)),
        fd_(std::move(fd)) {}

  static absl::StatusOr<std::unique_ptr<NewFolder>> BeginBeside(
      const std::string& path);
  static absl::StatusOr<std::unique_ptr<NewFolder>> BeginIn(
      const std::string& path);
  absl::Status Mark();
  absl::Status TakeMarkAway();
  absl::Status GiveTo(uid_t user, gid_t group);

  const std::string path_;
  const bool is_beside_;
  // Where it is now.
  std::string place_;
  // Of the folder, locked.
  const Fd fd_;
  // Of a folder that was there.
  mode_t mode_before_ = 0700;
  bool finished_ = false;
};

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_NEW_FOLDER_H_
