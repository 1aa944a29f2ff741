// sql::Database on one SQLite file: many readers, one writer.
//
// Readers: connections opened when first needed, up to kReadersMax, each on its
// own snapshot (WAL), never waiting for the writer.
//
// Writer: one connection. Callers of Write are grouped
// (storage/group_committer.h): their bodies run one after the other in one
// transaction; one commit, one fsync for all. If a body fails, the transaction
// is taken back and all run again, each under a savepoint of its own, so that
// the one that fails takes back its own writes and no others.
//
// OK of Write means, by Durability:
//   kMachine  the group's frames are in the write-ahead log and the log was
//             forced to the disk: survives a power cut.
//   kProcess  the frames were handed to the operating system: survives kill -9;
//             a power cut may lose the last commits, whole and in order.
// Either way a crash leaves whole commits only; opening the file again replays
// the log.
//
// Failure: a body that meets an error which makes SQLite drop the transaction
// (disk full, I/O), or a commit that fails, fails all of its group, and nothing
// of it is kept; a damaged page fails only the body that met it. After an I/O
// error in a commit, or a Sync that failed, it is open what reached the disk:
// the writer is poisoned, and it and Sync refuse (kUnavailable) until the file
// is opened again. A full disk does not poison.
#ifndef MILLSTREAM_STORAGE_SQLITE_SQLITE_DATABASE_H_
#define MILLSTREAM_STORAGE_SQLITE_SQLITE_DATABASE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "storage/durability.h"
#include "storage/group_committer.h"
#include "storage/sql/database.h"
#include "storage/sqlite/sqlite_connection.h"

namespace millstream::storage::sqlite {

// Thread-safe. Destroyed when no call runs any more. One process at a time
// serves a file with our own schema: storage/data_directory.h keeps the others
// out. With MLflow's there may be others, which wait for one another's
// transactions.
class SqliteDatabase final : public sql::Database {
 public:
  static constexpr int kReadersMax = 8;

  struct Options {
    Durability durability = Durability::kMachine;
    // kMlflow: the file may be another program's at the same time. It is not
    // altered when it is opened and read: the first Write makes its journal a
    // write-ahead log, so let that be one that has no effect, once it is known
    // whose tables they are (storage/mlflow_schema does).
    sql::Schema schema = sql::Schema::kOwn;
    int writer_cache_kib = 8 << 10;
    // A page of 100 runs touches some 500 pages of the file.
    int reader_cache_kib = 4 << 10;
    // Each connection maps as much of the file, if it is MLflow's. That saved
    // searches nothing that could be measured, and made the process look many
    // times as large.
    int64_t mmap_bytes = 0;
  };

  // Opens the file, or makes it, and brings it to the latest schema if that is
  // our own.
  // As SqliteConnection::Open and Migrate; kDataLoss also for our own schema
  // if its log is damaged before its end (log_check.h).
  static absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(
      const std::string& path, const Options& options);

  ~SqliteDatabase() override;

  absl::Status ReadFor(
      const Liveness& caller,
      absl::FunctionRef<absl::Status(sql::Connection&)> body) override;
  absl::Status Write(
      absl::FunctionRef<absl::Status(sql::Transaction&)> body) override;
  absl::Status Sync() override;
  void AppendReadings(Readings* readings) const override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Body = absl::FunctionRef<absl::Status(sql::Transaction&)>;
  using Committer = GroupCommitter<Body>;

  SqliteDatabase(std::string path, const Options& options,
                 std::unique_ptr<SqliteConnection> writer);

  // Waits until there is one, or `caller` no longer waits.
  absl::StatusOr<std::unique_ptr<SqliteConnection>> TakeReader(
      const Liveness& caller) ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveBackReader(std::unique_ptr<SqliteConnection> reader)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Committer's callback: one at a time.
  absl::Status CommitGroup(absl::Span<Committer::Item* const> group);
  // Runs the bodies; an error means that the transaction is gone.
  absl::Status RunBodies(absl::Span<Committer::Item* const> group);
  absl::Status RunBody(Committer::Item* item);
  absl::Status RunUnderSavepoint(Committer::Item* item);

  // Constant after construction.
  const std::string path_;
  const Options options_;

  std::atomic<bool> sync_failed_ = false;
  // Used by the group's leader alone.
  const std::unique_ptr<SqliteConnection> writer_;
  bool uses_log_;
  Committer committer_;

  std::atomic<int64_t> commits_{0};
  std::atomic<int64_t> writes_{0};

  mutable absl::Mutex mutex_;
  // Last in, first out: its pages are in memory.
  std::vector<std::unique_ptr<SqliteConnection>> idle_readers_
      ABSL_GUARDED_BY(mutex_);
  int readers_open_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::CondVar reader_is_idle_;
};

}  // namespace millstream::storage::sqlite

#endif  // MILLSTREAM_STORAGE_SQLITE_SQLITE_DATABASE_H_
