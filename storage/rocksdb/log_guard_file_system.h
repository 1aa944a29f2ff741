// A file system below which RocksDB's write-ahead logs never fail, so far as
// RocksDB can tell. Who asks it learns that one has.
//
// RocksDB 7.8 cannot go on after an error of its log. Its writer of files
// (file/writable_file_writer.h) remembers the error, and Debian builds RocksDB
// with its assertions, one of which forbids to touch such a file again: the
// process ends when that log is written once more, which happens when memory
// held nothing that resuming could have written into a table, for then the log
// is not changed. Without assertions it would be worse: records would follow
// the half of one, where a later start stops to read. A sync of the folder that
// fails leaves a record in the log that is not in memory, and the next one gets
// its sequence number.
//
// So here the first error of a log is remembered, and what comes for that log
// afterwards is thrown away and called done: it ends with the last record that
// was whole, and perhaps a part of the next. A log that cannot be created is
// one that has failed from its beginning. RocksDB has in memory all that it was
// told to write, the failed writes too; MendingDb (mending_db.h) sees to it
// that nobody is told of success until they are in a table, and the log is a
// new one.
//
// Errors of all other files are RocksDB's to see.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_LOG_GUARD_FILE_SYSTEM_H_
#define MILLSTREAM_STORAGE_ROCKSDB_LOG_GUARD_FILE_SYSTEM_H_

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/file_system.h"

namespace millstream::storage {

// Thread-safe.
class LogGuardFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  // Called with the first error of each log, before what failed is called done.
  // On the thread that wrote or synced; it holds no lock of RocksDB's that
  // others wait for long.
  using OnFailure = std::function<void(const rocksdb::IOStatus&)>;

  // While a thread has one, it writes or syncs a log: a folder that it syncs is
  // synced for that log's name.
  class LogScope {
   public:
    LogScope();
    LogScope(const LogScope&) = delete;
    LogScope& operator=(const LogScope&) = delete;
    ~LogScope();

   private:
    const bool outer_;
  };

  // Of the logs in `folder`. Copies of logs elsewhere are files like others.
  LogGuardFileSystem(std::shared_ptr<rocksdb::FileSystem> base,
                     const std::string& folder, OnFailure on_failure);

  // Whether the newest log has failed. RocksDB writes to no other.
  bool LogHasFailed() const ABSL_LOCKS_EXCLUDED(mutex_);

  const char* Name() const override { return "LogGuardFileSystem"; }
  rocksdb::IOStatus NewWritableFile(
      const std::string& name, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSWritableFile>* file,
      rocksdb::IODebugContext* debug) override ABSL_LOCKS_EXCLUDED(mutex_);
  rocksdb::IOStatus NewDirectory(
      const std::string& name, const rocksdb::IOOptions& options,
      std::unique_ptr<rocksdb::FSDirectory>* folder,
      rocksdb::IODebugContext* debug) override;

 private:
  class Health;
  class Log;
  class NoLog;
  class Folder;

  bool IsLog(const std::string& name) const;
  std::shared_ptr<Health> NewestLog() const ABSL_LOCKS_EXCLUDED(mutex_);

  const std::filesystem::path folder_;
  const OnFailure on_failure_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<Health> newest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_LOG_GUARD_FILE_SYSTEM_H_
