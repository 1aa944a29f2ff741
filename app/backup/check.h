// `millstream check`: whether a data folder that no server has open is whole,
// and its stores agree with each other. Changes nothing in them.
//
//   SQLite files   PRAGMA integrity_check and foreign_key_check
//   metrics/       checksums of all blocks, all records, summaries and rollups
//                  (storage/rocksdb/metric_check.h)
//   both           points belong to runs that are there; latest_metrics is what
//                  the points say, but for runs that a start would bring up to
//                  date (storage/sql/latest_metrics.h)
//   outbox         every row can be read and belongs to a run
//   artifacts      URIs below the server's root stay below it
//   a backup       every file, of artifacts too, is what the manifest says
#ifndef MILLSTREAM_APP_BACKUP_CHECK_H_
#define MILLSTREAM_APP_BACKUP_CHECK_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/liveness.h"

namespace millstream::app {

// Says on standard output what is wrong with `data_dir`, an absolute path, and
// what to do about it. Returns the number of faults. Errors, with a sentence
// for whoever started the command: it could not be checked, for a server has it
// open, say.
absl::StatusOr<int> CheckDataFolder(const std::string& data_dir,
                                    const Liveness& caller);

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_CHECK_H_
