// Records that appends write: single points and loose blocks (metric_key.h).
//
// Not thread-safe, each object for itself.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_LOOSE_RECORDS_H_
#define MILLSTREAM_STORAGE_ROCKSDB_LOOSE_RECORDS_H_

#include <cstddef>
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

// Puts points into a batch as loose records.
class LooseRecordWriter {
 public:
  // `batch` outlives this.
  explicit LooseRecordWriter(rocksdb::WriteBatch* batch) : batch_(batch) {}

  // Points of the series with this prefix (AppendSeriesPrefix), in any order.
  // Returns how many records they became.
  size_t Write(std::string_view prefix, absl::Span<const MetricPoint> points);

 private:
  void WritePoint(const MetricPoint& point);
  void WriteBlock(absl::Span<const MetricPoint> points);
  void BeginKey(char record_class, const MetricPoint& first);
  // `points` if they ascend, no two the same; else such a copy.
  absl::Span<const MetricPoint> Ascending(absl::Span<const MetricPoint> points);

  rocksdb::WriteBatch* const batch_;
  std::string key_;
  size_t prefix_bytes_ = 0;
  std::string block_;
  std::vector<MetricPoint> sorted_;
};

// Appends the points of a record of any class that holds points: `suffix` is
// its key after run and metric. kDataLoss if it is malformed.
absl::Status ReadRecord(std::string_view suffix, std::string_view value,
                        std::vector<MetricPoint>* points);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_LOOSE_RECORDS_H_
