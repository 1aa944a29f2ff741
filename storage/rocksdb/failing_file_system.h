// A disk that fails when it is told to. For tests.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_FAILING_FILE_SYSTEM_H_
#define MILLSTREAM_STORAGE_ROCKSDB_FAILING_FILE_SYSTEM_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/file_system.h"

namespace millstream::storage {

// Forwards to another one. Operations are what changes files: creations,
// writes, syncs of files and folders, renames. Thread-safe.
class FailingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  enum class Of { kEverything, kSyncs, kLogs };
  struct Fault {
    rocksdb::IOStatus status;
    // So many operations succeed before.
    int skip = 0;
    // So many fail; negative: all.
    int times = -1;
    // Writes that fail do half of what they are to do.
    bool half = false;
    Of of = Of::kEverything;
  };

  explicit FailingFileSystem(std::shared_ptr<rocksdb::FileSystem> base)
      : FileSystemWrapper(std::move(base)) {}

  void Break(const Fault& fault) ABSL_LOCKS_EXCLUDED(mutex_);
  void Heal() ABSL_LOCKS_EXCLUDED(mutex_);
  // Operations that failed since Break.
  int failed() const ABSL_LOCKS_EXCLUDED(mutex_);

  const char* Name() const override { return "FailingFileSystem"; }
  rocksdb::IOStatus NewWritableFile(
      const std::string& name, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(
      const std::string& name, const rocksdb::IOOptions& options,
      std::unique_ptr<rocksdb::FSDirectory>* folder,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  class File;
  class Folder;

  // What becomes of an operation; *half: do half of it first.
  rocksdb::IOStatus Next(bool sync, const std::string& name,
                         bool* half = nullptr) ABSL_LOCKS_EXCLUDED(mutex_);

  mutable absl::Mutex mutex_;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  Fault fault_ ABSL_GUARDED_BY(mutex_);
  int failed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_FAILING_FILE_SYSTEM_H_
