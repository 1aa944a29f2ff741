// Packs one series: turns its loose records into packed blocks, and adds them
// to its rollups (rollups.h), in one write that a crash leaves done or undone.
//
// Packed blocks of a series do not overlap in history order. Points that come
// after all of them, the usual case, make new blocks; a small last block is
// taken up into these once they are half as large, so that a series that grows
// by little at a time rewrites each point a logarithmic number of times. Late
// points, which fall among packed ones, wait as loose ones until the block that
// they fall into is worth rewriting (PackingOptions::late_points_part): so a
// rewritten point is paid for by new ones, however a writer orders them. If
// packing is forced, because the run went quiet, they do not wait.
//
// Late points that wait are written anew as few large loose blocks. A series
// whose only point is loose stays as it is.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_SERIES_PACKER_H_
#define MILLSTREAM_STORAGE_ROCKSDB_SERIES_PACKER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/metric_point.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/packing_options.h"
#include "storage/rocksdb/points_digest.h"
#include "storage/rocksdb/series_reader.h"

namespace rocksdb {
class DB;
class Iterator;
class WriteBatch;
struct WriteOptions;
}  // namespace rocksdb

namespace millstream::storage {

// For all that packing writes: none of it is in the log, for the points are
// there already. A crash takes the newest of these writes, and leaves the loose
// records, and the marks, that were there before (loose_runs.h).
rocksdb::WriteOptions PackingWriteOptions();

struct PackResult {
  // Loose points that wait.
  size_t waiting = 0;
  // There is more to be packed: pack again,
  bool more = false;
  // from behind this key; empty: from the start.
  std::string resume;
  // Something was written.
  bool changed = false;
  // Loose records that were deleted.
  size_t deleted = 0;
};

// One step of packing one series. Used once; not thread-safe. No other packing
// of the series goes on; appends and reads may.
class SeriesPacker {
 public:
  // All outlive this. `prefix` is the series' (AppendSeriesPrefix).
  SeriesPacker(rocksdb::DB* db, const PackingOptions& options,
               std::string prefix);
  ~SeriesPacker();

  // Packs loose records behind the key `resume`, and of `extent` if it is not
  // null: not to read past what was deleted. Statuses are those of MetricStore.
  absl::StatusOr<PackResult> Pack(bool force, const std::string& resume,
                                  const LooseExtent* extent);

 private:
  // A packed block in reach of the loose points, and those that belong to it:
  // from its first point to the next block's.
  struct Block;

  // Reads loose records into loose_.
  absl::Status Gather(const std::string& resume, const LooseExtent* extent);
  // The same from `begin` on, of one class or (-1) of all.
  absl::Status GatherFrom(const std::string& begin, int record_class);
  void SortLoose();
  // Lists the packed blocks that loose points belong to, and small neighbours.
  absl::Status FindBlocks();
  absl::Status AddBlock(std::string_view key, std::string_view summary,
                        Block* block);
  // Hands loose points to blocks; the rest are head_ and tail_.
  void Distribute();
  // Chooses the blocks to rewrite.
  void Choose(bool force);
  void TakeUpSmallBlocks();
  // Writes what was chosen into the batch.
  absl::Status Rewrite();
  // Appends a block's points merged with its late ones.
  absl::Status MergeBlock(const Block& block);
  // Writes the points gathered in merged_ as packed blocks.
  void Flush();
  void PutBlock(absl::Span<const MetricPoint> points);
  absl::Status Finish();

  rocksdb::DB* const db_;
  const PackingOptions& options_;
  const std::string prefix_;
  const PointsSnapshot snapshot_;
  std::unique_ptr<rocksdb::WriteBatch> batch_;
  PackResult result_;

  std::vector<std::string> loose_keys_;
  // Where the points of each begin in loose_, while it is not yet sorted.
  std::vector<size_t> begins_;
  // Ascending in history order, no two the same.
  std::vector<MetricPoint> loose_;
  std::vector<Block> blocks_;  // ascending
  // Points before and after all blocks, as many of loose_.
  size_t head_ = 0;
  size_t tail_ = 0;

  std::vector<MetricPoint> merged_;
  std::vector<MetricPoint> waiting_;
  // Points that were not packed before: rollups count them (rollups.h).
  std::vector<MetricPoint> new_points_;
  std::vector<MetricPoint> block_points_;  // scratch
  std::string key_;                        // scratch
  std::string value_;                      // scratch
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_SERIES_PACKER_H_
