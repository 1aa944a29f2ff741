// The folder that a server keeps its data in, and the lock on it.
#ifndef MILLSTREAM_STORAGE_DATA_DIRECTORY_H_
#define MILLSTREAM_STORAGE_DATA_DIRECTORY_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millstream::storage {

// Makes a folder, readable by its owner alone, and those above it, unless it is
// there. kFailedPrecondition: it cannot be made. Thread-safe.
absl::Status MakePrivateFolder(const std::string& path);

// A file in a folder that a copy of data is on its way to, until all of it is
// there and forced to the disk.
inline constexpr char kUnfinishedName[] = "millstream.unfinished";

// kFailedPrecondition, with what to do: a copy on its way, or the rest of one
// that did not end. Thread-safe.
absl::Status NeedFinished(const std::string& path);

// Makes an empty file, readable by its owner alone, unless it is there: of one
// that a library would make readable by all. SQLite gives the files beside a
// database the rights of that. What cannot be made is for whoever opens it to
// tell. Thread-safe.
void MakePrivateFile(const std::string& path);

// Holds the lock while it lives; the operating system takes it back when the
// process ends, however it ends. Thread-safe.
class DataDirectory {
 public:
  // Makes the folder (readable by its owner alone) and those above it, unless
  // they are there, and locks it. Messages are for whoever started the server.
  // kUnavailable: another process has it open; kFailedPrecondition: it cannot
  // be made or written, is no folder, or holds a copy that is not finished.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(
      const std::string& path);

  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::string& path() const { return path_; }

  // "<path>/<name>".
  std::string PathOf(std::string_view name) const;

  // Forces the names of what is in the folder to the disk, and those of the
  // folders that Open made: a store that syncs its files does not sync the name
  // of the folder that they are in. kUnavailable: a disk that cannot.
  absl::Status Sync() const;

 private:
  DataDirectory(std::string path, std::string existing, int lock_file);

  const std::string path_;
  // The nearest folder above, or the folder itself, that was there before.
  const std::string existing_;
  const int lock_file_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_DATA_DIRECTORY_H_
