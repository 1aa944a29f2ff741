// Reads one series in history order: merges its loose records, which may
// overlap each other and the packed blocks, with these, and drops points that
// are the same.
//
// Not thread-safe. Sees the series as it was when the reader was made.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_SERIES_READER_H_
#define MILLSTREAM_STORAGE_ROCKSDB_SERIES_READER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "storage/metric_point.h"

namespace rocksdb {
class DB;
class Iterator;
class PinnableSlice;
class Snapshot;
}  // namespace rocksdb

namespace millstream::storage {

// A moment of the store; readers that share one agree.
class PointsSnapshot {
 public:
  // `db` outlives this.
  explicit PointsSnapshot(rocksdb::DB* db);
  ~PointsSnapshot();
  PointsSnapshot(const PointsSnapshot&) = delete;
  PointsSnapshot& operator=(const PointsSnapshot&) = delete;

  // Over all keys.
  std::unique_ptr<rocksdb::Iterator> NewIterator() const;
  // The same, for reads that leave the block cache to others.
  std::unique_ptr<rocksdb::Iterator> NewUncachedIterator() const;
  // Reads one record; kDataLoss if there is none. Statuses of MetricStore.
  absl::Status Get(std::string_view key, rocksdb::PinnableSlice* value) const;

 private:
  rocksdb::DB* const db_;
  const rocksdb::Snapshot* const snapshot_;
};

class SeriesReader {
 public:
  // Begins after *after (copied), or at the start if it is null. `prefix` is
  // the series' (AppendSeriesPrefix). `snapshot` outlives the reader.
  SeriesReader(const PointsSnapshot& snapshot, std::string prefix,
               const MetricPoint* after);
  ~SeriesReader();

  // Appends the next `limit` points; fewer: the series ends. Statuses are those
  // of MetricStore; after an error the reader is of no more use.
  absl::Status Read(size_t limit, std::vector<MetricPoint>* points);

 private:
  // The records of one class, or the points of one block: a sequence in history
  // order that is merged with others.
  struct Source;

  // Finds the classes that the series has and a source for each.
  absl::Status Open();
  // Appends to *points, up to `limit` in all, from the first source, as long
  // as no other source comes before. Blocks of a class become sources.
  absl::Status Advance(size_t limit, std::vector<MetricPoint>* points);
  // Turns the block that `source`, a class, stands at into a source of its own
  // and moves on to the next record.
  absl::Status OpenBlock(Source* source);
  // Emits the points of a block that come before all other sources, up to
  // `limit` in all, but for the last of them.
  void EmitRun(Source& source, const Source* next, size_t limit,
               std::vector<MetricPoint>* points);
  // Moves `records` to the first record of a class that may hold points after
  // last_.
  void SeekAfter(uint8_t record_class, const std::string& class_prefix,
                 rocksdb::Iterator* records) const;
  void Emit(const MetricPoint& point, std::vector<MetricPoint>* points);
  std::unique_ptr<Source> NewBlockSource();

  const PointsSnapshot& snapshot_;
  const std::string prefix_;
  bool opened_ = false;
  // Points up to this one have been read, or are not wanted.
  bool has_last_ = false;
  MetricPoint last_;
  // A heap by each source's next point, the least on top.
  std::vector<std::unique_ptr<Source>> sources_;
  // Emptied block sources, kept for their memory.
  std::vector<std::unique_ptr<Source>> spare_;
};

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_SERIES_READER_H_
