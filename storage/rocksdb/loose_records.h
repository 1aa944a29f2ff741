// Records that appends write: single points and loose blocks (metric_key.h).
//
// Not thread-safe, each object for itself.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_LOOSE_RECORDS_H_
#define MILLSTREAM_STORAGE_ROCKSDB_LOOSE_RECORDS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "storage/metric_point.h"

namespace rocksdb {
class WriteBatch;
}

namespace millstream::storage {

// Where the loose records of a series lie, some or all of them.
struct LooseExtent {
  size_t points = 0;
  size_t records = 0;
  // Bit c: there may be records of class c.
  uint64_t classes = 0;
  // None has a first point before this time.
  int64_t first_ms = std::numeric_limits<int64_t>::max();

  void Add(const LooseExtent& other) {
    points += other.points;
    records += other.records;
    classes |= other.classes;
    first_ms = std::min(first_ms, other.first_ms);
  }
};

// Puts points into a batch as loose records.
class LooseRecordWriter {
 public:
  // `batch` outlives this.
  explicit LooseRecordWriter(rocksdb::WriteBatch* batch) : batch_(batch) {}

  // Points of the series with this prefix (AppendSeriesPrefix), in any order.
  // Returns what records they became.
  LooseExtent Write(std::string_view prefix,
                    absl::Span<const MetricPoint> points);

 private:
  void WritePoint(const MetricPoint& point);
  void WriteBlock(absl::Span<const MetricPoint> points);
  void BeginKey(uint8_t record_class, const MetricPoint& first);
  // `points` if they ascend, no two the same; else such a copy.
  absl::Span<const MetricPoint> Ascending(absl::Span<const MetricPoint> points);

  rocksdb::WriteBatch* const batch_;
  std::string key_;
  size_t prefix_bytes_ = 0;
  LooseExtent extent_;
  std::string block_;
  std::vector<MetricPoint> sorted_;
};

// Appends the points of a record of any class that holds points: `suffix` is
// its key after run and metric. kDataLoss if it is malformed.
absl::Status ReadRecord(std::string_view suffix, std::string_view value,
                        std::vector<MetricPoint>* points);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_LOOSE_RECORDS_H_
