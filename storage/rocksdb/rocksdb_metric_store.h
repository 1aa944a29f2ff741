// MetricStore in one RocksDB for all runs (docs/storage_format.md).
//
// One column family holds the points (metric_key.h, metric_block.h) and, under
// keys that begin with 0x00, the format's version and the marks. One, because a
// second that is written rarely would hold old logs back, and every start reads
// the logs. Appends write loose records, one for each request and series; a
// background thread packs these (packer.h). Files open, write buffers and cache
// are bounded by the constants of the .cc; an idle store is small.
//
// Durability: every append goes to the write-ahead log first. kProcess hands it
// to the operating system; kMachine also syncs the log, one sync for all
// appends that wait for it at the time. A log that ends in a half-written
// append, after a power cut, is read up to there: what was acknowledged comes
// before. After a failed write or sync the store refuses writes until it has
// put what is in memory on the disk anew, by itself; reads go on
// (mending_db.h).
#ifndef MILLSTREAM_STORAGE_ROCKSDB_ROCKSDB_METRIC_STORE_H_
#define MILLSTREAM_STORAGE_ROCKSDB_ROCKSDB_METRIC_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/metric_store.h"
#include "storage/rocksdb/packing_options.h"

namespace rocksdb {
class Env;
}

namespace millstream::storage {

class RocksDbMetricStore : public MetricStore {
 public:
  // Packs everything that is loose, now; the background thread need not have
  // come to it. For tests and tools. Statuses as above.
  virtual absl::Status PackAll() = 0;
  // Does, now, what the background would be due to do. For tests.
  // REQUIRES: opened without pack_in_background.
  virtual absl::Status PackDue() = 0;

  // Writes what is in memory into tables, so that a checkpoint that follows has
  // little to copy. Appends and reads go on meanwhile. Statuses as above.
  virtual absl::Status Flush() = 0;
  // Makes `folder` a store of its own. It has all that was appended before the
  // call; of what is appended meanwhile each append whole or not at all. Tables
  // are not copied but linked, so the folder must be on the store's file
  // system; it costs what the log holds since Flush. Appends and reads go on.
  // REQUIRES: `folder` is not there, the one above it is.
  virtual absl::Status Checkpoint(const std::string& folder) = 0;
};

struct RocksDbOptions {
  // Outlives the store; null: the machine's.
  rocksdb::Env* env = nullptr;
  PackingOptions packing;
  // False: only PackAll and PackDue pack.
  bool pack_in_background = true;
};

// Opens the store in `folder`, which it creates if it does not exist and uses
// alone.
//   kUnavailable         another process has it open
//   kFailedPrecondition  written by a newer version; the message says so
//   kDataLoss            it is damaged
//   kInternal            everything else, such as a folder it may not write
// A store of an older format is brought to today's: at once, that older
// versions refuse it; in the background, that its points are packed.
absl::StatusOr<std::unique_ptr<RocksDbMetricStore>> OpenRocksDbMetricStore(
    const std::string& folder, const RocksDbOptions& options = {});

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_ROCKSDB_METRIC_STORE_H_
