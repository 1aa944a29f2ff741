// A disk whose power can be cut: what was written and not synced is gone then.
// For tests.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_POWER_CUT_FILE_SYSTEM_H_
#define MILLSTREAM_STORAGE_ROCKSDB_POWER_CUT_FILE_SYSTEM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/file_system.h"

namespace millstream::storage {

// Forwards to the machine's file system. Thread-safe. A rename or a removal
// counts as durable at once: RocksDB syncs folders where it depends on that.
class PowerCutFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  PowerCutFileSystem();

  // From now on every change fails and changes nothing.
  void CutPower() ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes from all files what was not synced when the power was cut. Call it
  // when nobody has them open any more.
  void LoseUnsynced() ABSL_LOCKS_EXCLUDED(mutex_);

  const char* Name() const override { return "PowerCutFileSystem"; }
  rocksdb::IOStatus NewWritableFile(
      const std::string& name, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  class File;
  struct Bytes {
    uint64_t written = 0;
    uint64_t synced = 0;
  };

  rocksdb::IOStatus Powered() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  bool cut_ ABSL_GUARDED_BY(mutex_) = false;
  // By name, of files made here.
  std::map<std::string, Bytes> files_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_POWER_CUT_FILE_SYSTEM_H_
