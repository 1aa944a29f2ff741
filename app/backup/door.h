// How `millstream backup` gets a moment of both stores from the server that has
// the data folder open: RocksDB lets in nobody else.
//
// The server listens at a Unix domain socket in the data folder, for the
// folder's owner (and root) alone: they could read every file of it anyway. It
// makes no copy; it only stands still while one begins:
//
//   command   "backup 1"
//   server    makes <data folder>/.backup/metrics, a checkpoint of RocksDB,
//             while nothing is committed in SQLite; then "held"
//   command   takes its own snapshots of the SQLite files, "taken"
//   server    lets writers go on, "done <ms that they waited> <where artifacts
//             are, if not in the data folder>"
//   command   copies what it wants from there and from .backup, and hangs up
//   server    removes .backup
//
// "error <sentence>" may come instead of any answer. Words end with "\n".
//
// Why both stores agree at that moment: a batch of params and metrics commits
// in SQLite, with its points in the outbox, before they go to RocksDB, and
// leaves the outbox only by another commit, after they are there. No commit
// comes while the checkpoint is made, so the copy of SQLite has the row of
// every batch whose points the checkpoint may lack, and all of every batch
// whose points it has. Metrics alone are appended whole to RocksDB, for runs
// that were committed before. The latest metrics and the marks of runs are
// written in the same order as ever (storage/sql/latest_metrics.h): the copy is
// what a crash at that moment would have left, and a start makes whole.
#ifndef MILLSTREAM_APP_BACKUP_DOOR_H_
#define MILLSTREAM_APP_BACKUP_DOOR_H_

#include <memory>
#include <string>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/liveness.h"
#include "storage/rocksdb/rocksdb_metric_store.h"
#include "storage/sql/database.h"

namespace millstream::app {

// In the data folder.
inline constexpr char kDoorName[] = "backup.sock";
inline constexpr char kCutName[] = ".backup";
inline constexpr char kMetricsName[] = "metrics";

// Makes the folder `metrics_copy` a checkpoint and calls `while_held`, both
// while nothing can be committed in the database. Statuses of the stores, or of
// `while_held`. Appends of metrics alone go on. *held: for how long others
// waited.
absl::Status CutStores(storage::sql::Database* database,
                       storage::RocksDbMetricStore* metrics,
                       const std::string& metrics_copy,
                       absl::FunctionRef<absl::Status()> while_held,
                       absl::Duration* held);

// The server's side. Serves one command at a time, on a thread of its own;
// others are told to wait.
class BackupDoor {
 public:
  // What a command may take until it says that it has its snapshots: writers
  // wait for it.
  static constexpr absl::Duration kHoldMax = absl::Seconds(5);

  struct Options {
    // Locked by this process (storage/data_directory.h).
    std::string data_dir;
    // Where artifacts are, for people; empty: in the data folder.
    std::string artifacts;
    absl::Duration hold_max = kHoldMax;
  };

  // Both stores outlive it. Removes what a server that died has left. Null, and
  // a line in the log: the folder cannot have a socket.
  static std::unique_ptr<BackupDoor> Open(
      storage::sql::Database* database, storage::RocksDbMetricStore* metrics,
      const Options& options);

  // Ends at once; a command that has its moment keeps what it has.
  ~BackupDoor();
  BackupDoor(const BackupDoor&) = delete;
  BackupDoor& operator=(const BackupDoor&) = delete;

 private:
  BackupDoor(storage::sql::Database* database,
             storage::RocksDbMetricStore* metrics, const Options& options,
             int listener, int stop);

  void Run();
  // Until the command hangs up. False: asked to stop.
  bool Serve(int client);
  absl::Status Cut(int client);
  // Waits for the command to hang up; turns others away. False: asked to stop.
  bool AwaitEnd(int client);

  storage::sql::Database* const database_;
  storage::RocksDbMetricStore* const metrics_;
  const Options options_;
  const int listener_;
  // Readable once the door is to close.
  const int stop_;
  std::thread thread_;
};

// The command's side. Not thread-safe.
class DoorVisit {
 public:
  // Asks the server that has the folder open for a moment, and calls
  // `take_snapshots` in it. kUnavailable: none listens there, or it cannot be
  // asked; else what the server says.
  static absl::StatusOr<std::unique_ptr<DoorVisit>> Begin(
      const std::string& data_dir, const Liveness& caller,
      absl::FunctionRef<absl::Status()> take_snapshots);

  // The checkpoint is no longer needed.
  ~DoorVisit();
  DoorVisit(const DoorVisit&) = delete;
  DoorVisit& operator=(const DoorVisit&) = delete;

  // For how long writers waited.
  absl::Duration held() const { return held_; }
  // Where artifacts are; empty: in the data folder.
  const std::string& artifacts() const { return artifacts_; }

 private:
  explicit DoorVisit(int server) : server_(server) {}

  const int server_;
  absl::Duration held_;
  std::string artifacts_;
};

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_DOOR_H_
