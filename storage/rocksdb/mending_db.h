// A RocksDB that takes writes again by itself once its disk does.
//
// When a file cannot be written or synced, for want of space or by an error,
//   - writes and syncs fail from then on, at once: those under way, even if the
//     failure was not theirs, and those that come. Reads go on;
//   - a thread of its own mends: it has RocksDB write all that is in memory
//     into tables, synced, with a new list of tables if the old one failed, and
//     begins a new log. Nothing is taken from what failed: after a failed sync
//     nobody knows what a file holds, and a second one would report success.
//     What fails meanwhile begins that anew, after a pause that grows;
//   - then writes are taken again.
// So OK means what it says: the log held the write, and did not fail before its
// sync had returned. Of a write that failed, reads may show all or nothing;
// once one has succeeded again they show what will stay (all of it, if
// anything), for that is in a table then. After a crash before that, what was
// acknowledged is there: the log had it before it failed, or a table has.
//
// Why this is not left to RocksDB 7.8.3, as Debian has it; by file and function
// of that version:
//   - errors of the log: log_guard_file_system.h;
//   - db/error_handler.cc takes EIO for final. OnBackgroundError may say that
//     it is not, and does here;
//   - its own recovery (RecoverFromRetryableBGIOError) leaves
//     recovery_in_prog_ set when it is told to end, and CloseHelper waits for
//     that for ever; that of SstFileManager asks the disk for free space and
//     nothing else. Both are off. DB::Resume is called here, from one thread,
//     which ends before the database is closed;
//   - Resume leaves is_db_stopped_ set. All that comes of it is that Flush
//     returns before it is done (WaitForFlushMemTables), so what is not in a
//     table yet is counted here;
//   - a flush that was scheduled and had not begun when writes were stopped, or
//     when Resume has failed, is lost (BackgroundFlush), and the next Resume
//     waits for it for ever. The only flush is the one that fails, but for
//     those that somebody asks for, and these keep away from Resume. What else
//     fails beside a flush are compactions; they do not stop writes: a
//     compaction is tried again, each second, and a list of tables that it
//     could not extend is written anew by the next flush, before which RocksDB
//     deletes no file (DisableFileDeletions). Only if writes wait for that
//     compaction, it does stop them: they fail, instead of waiting for ever;
//   - Resume takes the failure of a compaction that still runs for its own
//     (recovery_error_), and leaves its flush behind. So it is called when
//     nothing runs any more.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_MENDING_DB_H_
#define MILLSTREAM_STORAGE_ROCKSDB_MENDING_DB_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/options.h"
#include "rocksdb/utilities/stackable_db.h"
#include "rocksdb/write_batch.h"

namespace millstream::storage {

// Thread-safe. Of one column family. Writes with the methods below and no
// others; after Close only destruction.
class MendingDb final : public rocksdb::StackableDB {
 public:
  // The failures that it mends are those after it was opened: fails if one came
  // before. options.env, if set, outlives it; listeners are its own.
  static rocksdb::Status Open(rocksdb::Options options,
                              const std::string& folder,
                              std::unique_ptr<MendingDb>* db);
  ~MendingDb() override;

  // While writes are refused: why, as NoSpace or IOError of severity
  // kHardError. OK: what reads have shown before the call is as durable as it
  // was promised to be.
  rocksdb::Status Durable() const;

  rocksdb::Status Write(const rocksdb::WriteOptions& options,
                        rocksdb::WriteBatch* batch) override;
  using StackableDB::Put;
  rocksdb::Status Put(const rocksdb::WriteOptions& options,
                      rocksdb::ColumnFamilyHandle* family,
                      const rocksdb::Slice& key,
                      const rocksdb::Slice& value) override;
  using StackableDB::Delete;
  rocksdb::Status Delete(const rocksdb::WriteOptions& options,
                         rocksdb::ColumnFamilyHandle* family,
                         const rocksdb::Slice& key) override;
  rocksdb::Status SyncWAL() override;
  using StackableDB::Flush;
  rocksdb::Status Flush(const rocksdb::FlushOptions& options,
                        rocksdb::ColumnFamilyHandle* family) override
      ABSL_LOCKS_EXCLUDED(resume_mutex_);
  rocksdb::Status Close() override;

 private:
  class State;
  class Listener;

  MendingDb(std::shared_ptr<rocksdb::DB> db, std::shared_ptr<State> state);

  // Does a write or a sync of the log.
  template <typename Operation>
  rocksdb::Status Guarded(Operation operation);
  // Of the thread.
  void Run();
  rocksdb::Status Mend();
  // Takes back that RocksDB has stopped.
  rocksdb::Status Resume() ABSL_LOCKS_EXCLUDED(resume_mutex_);
  // Has what is in memory written into tables, of the thread's own accord.
  rocksdb::Status FlushAll();
  // Until what was in memory is in tables; an error if RocksDB has stopped more
  // than so many times.
  rocksdb::Status AwaitTables(uint64_t stops);
  rocksdb::Status WaitABit(uint64_t stops);
  uint64_t Property(const std::string& name);
  void StopMending();

  const std::shared_ptr<State> state_;
  // Held by who resumes, and who has a flush scheduled at another's request.
  absl::Mutex resume_mutex_;
  // Of state_->stops(), which Resume has undone. The thread's own.
  uint64_t resumed_ = 0;
  std::thread thread_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_MENDING_DB_H_
