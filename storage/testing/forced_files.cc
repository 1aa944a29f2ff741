#include "storage/testing/forced_files.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace millstream::storage {
namespace {

namespace fs = std::filesystem;

using Inode = std::pair<dev_t, ino_t>;

struct Content {
  off_t size = 0;
  timespec changed = {};
};

Inode InodeOf(const struct stat& info) { return {info.st_dev, info.st_ino}; }

class Disk {
 public:
  static Disk& Get() {
    static Disk* const disk = new Disk;
    return *disk;
  }

  void Force(const fs::path& path) ABSL_LOCKS_EXCLUDED(mutex_) {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return;
    std::set<std::pair<std::string, ino_t>> names;
    if (S_ISDIR(info.st_mode)) {
      std::error_code error;
      for (const auto& entry : fs::directory_iterator(path, error)) {
        struct stat named;
        if (lstat(entry.path().c_str(), &named) == 0) {
          names.emplace(entry.path().filename(), named.st_ino);
        }
      }
    }
    absl::MutexLock lock(&mutex_);
    contents_[InodeOf(info)] = {info.st_size, info.st_mtim};
    names_[InodeOf(info)] = std::move(names);
  }

  bool HasContent(const std::string& path) const ABSL_LOCKS_EXCLUDED(mutex_) {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return false;
    if (S_ISDIR(info.st_mode)) return true;
    absl::MutexLock lock(&mutex_);
    const auto found = contents_.find(InodeOf(info));
    return found != contents_.end() && found->second.size == info.st_size &&
           found->second.changed.tv_sec == info.st_mtim.tv_sec &&
           found->second.changed.tv_nsec == info.st_mtim.tv_nsec;
  }

  // With that inode; 0: whichever.
  bool HasName(const fs::path& path, ino_t inode) const
      ABSL_LOCKS_EXCLUDED(mutex_) {
    struct stat folder;
    if (stat(path.parent_path().c_str(), &folder) != 0) return false;
    const std::string name = path.filename();
    absl::MutexLock lock(&mutex_);
    const auto found = names_.find(InodeOf(folder));
    if (found == names_.end()) return false;
    const auto first = found->second.lower_bound({name, inode});
    return first != found->second.end() && first->first == name &&
           (inode == 0 || first->second == inode);
  }

 private:
  mutable absl::Mutex mutex_;
  // As they were when they were forced.
  std::map<Inode, Content> contents_ ABSL_GUARDED_BY(mutex_);
  std::map<Inode, std::set<std::pair<std::string, ino_t>>> names_
      ABSL_GUARDED_BY(mutex_);
};

fs::path PathOf(int fd) {
  return fs::path("/proc/self/fd") / std::to_string(fd);
}

int Forced(int fd, long result) {
  if (result == 0) Disk::Get().Force(PathOf(fd));
  return static_cast<int>(result);
}

}  // namespace

bool IsForced(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && Disk::Get().HasContent(path) &&
         Disk::Get().HasName(path, info.st_ino);
}

bool IsNameForced(const std::string& path) {
  return Disk::Get().HasName(path, 0);
}

}  // namespace millstream::storage

extern "C" {

int fsync(int fd) {
  return millstream::storage::Forced(fd, syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
  return millstream::storage::Forced(fd, syscall(SYS_fdatasync, fd));
}

// Of the whole file system; noted of what is below the folder.
int syncfs(int fd) noexcept {
  using millstream::storage::Disk;
  const int result =
      millstream::storage::Forced(fd, syscall(SYS_syncfs, fd));
  if (result != 0) return result;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(
      std::filesystem::read_symlink(
          millstream::storage::PathOf(fd), error),
      error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    Disk::Get().Force(entry->path());
  }
  return result;
}

}  // extern "C"
