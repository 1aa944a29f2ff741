// The points of a series as a list of chunks, each a packed block, a loose
// block or a group of single points that are neighbours, told from keys,
// headers and summaries: nothing is decoded to make the list.
//
// Not thread-safe.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_SERIES_CHUNKS_H_
#define MILLSTREAM_STORAGE_ROCKSDB_SERIES_CHUNKS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/metric_store.h"
#include "storage/rocksdb/loose_records.h"
#include "storage/rocksdb/points_digest.h"
#include "storage/rocksdb/series_reader.h"

namespace millstream::storage {

inline bool Contains(const StepRange& range, int64_t step) {
  return range.first <= step && step <= range.last;
}

struct Chunk {
  std::string start;  // key of its (first) record
  size_t records = 1;
  size_t count = 0;
  bool step_ordered = true;
  // Bounds in history order.
  MetricPoint first;
  MetricPoint last;
  int64_t step_min = 0;
  int64_t step_max = 0;
  // Of a packed block; otherwise digest.count is 0.
  PointsDigest digest;

  // Bounds in step order; not always points of it.
  MetricPoint Low() const;
  MetricPoint High() const;
};

class SeriesChunks {
 public:
  // `prefix` is the series' (AppendSeriesPrefix). Both outlive this.
  SeriesChunks(const PointsSnapshot& snapshot, const std::string& prefix,
               const StepRange& range);
  ~SeriesChunks();

  // Lists the chunks that may have points in the range, the loose ones first.
  // Statuses of MetricStore, here and below.
  absl::Status List(std::vector<Chunk>* chunks);
  // The same, of packed blocks that may also have points in this time.
  absl::Status ListPacked(int64_t time_min, int64_t time_max,
                          std::vector<Chunk>* chunks);
  // Appends the loose points in the range, in no order, until there are more
  // than `limit`: false then. `extent`: where they are; null: not known.
  absl::StatusOr<bool> ReadLoose(const LooseExtent* extent, size_t limit,
                                 std::vector<MetricPoint>* points);

  // How many different points in the range the chunks have, in all. Sorts them
  // by their first points.
  absl::StatusOr<size_t> Count(std::vector<Chunk>* chunks);

  // All points of the chunk are in the range.
  bool Inside(const Chunk& chunk) const {
    return Contains(range_, chunk.step_min) && Contains(range_, chunk.step_max);
  }
  // Appends the points of `chunk` that are in the range, in history order.
  absl::Status Load(const Chunk& chunk, std::vector<MetricPoint>* points);

 private:
  // The same from a key on, of one class or (-1) of all.
  absl::StatusOr<bool> ReadLooseFrom(const std::string& begin, int record_class,
                                     size_t limit,
                                     std::vector<MetricPoint>* points);
  // Adds the record that records_ stands at.
  absl::Status AddRecord(std::vector<Chunk>* chunks);
  void AddSinglePoint(std::string_view key, const MetricPoint& point,
                      std::vector<Chunk>* chunks);
  absl::Status AddSummary(std::string_view key, const MetricPoint& first,
                          std::vector<Chunk>* chunks);
  bool Overlaps(const Chunk& chunk) const {
    return chunk.step_max >= range_.first && chunk.step_min <= range_.last;
  }
  // Distinct points in the range, from first to last in history order.
  absl::StatusOr<size_t> CountByReading(const MetricPoint& first,
                                        const MetricPoint& last);

  const PointsSnapshot& snapshot_;
  const std::string& prefix_;
  const StepRange range_;
  const std::unique_ptr<rocksdb::Iterator> records_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_SERIES_CHUNKS_H_
