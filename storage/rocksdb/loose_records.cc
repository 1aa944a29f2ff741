#include "storage/rocksdb/loose_records.h"

#include <xxhash.h>

#include <algorithm>

#include "rocksdb/write_batch.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/packed_block.h"

namespace millstream::storage {

LooseExtent LooseRecordWriter::Write(std::string_view prefix,
                                     absl::Span<const MetricPoint> points) {
  extent_ = LooseExtent();
  if (points.empty()) return extent_;
  key_.assign(prefix);
  prefix_bytes_ = prefix.size();
  points = Ascending(points);
  extent_.points = points.size();
  extent_.first_ms = points.front().timestamp_ms;
  while (!points.empty()) {
    WriteBlock(points.subspan(0, kBlockPointsWritten));
    points.remove_prefix(std::min(points.size(), kBlockPointsWritten));
  }
  return extent_;
}

absl::Span<const MetricPoint> LooseRecordWriter::Ascending(
    absl::Span<const MetricPoint> points) {
  if (std::adjacent_find(points.begin(), points.end(),
                         [](const MetricPoint& a, const MetricPoint& b) {
                           return !HistoryLess(a, b);
                         }) == points.end()) {
    return points;
  }
  sorted_.assign(points.begin(), points.end());
  std::sort(sorted_.begin(), sorted_.end(), HistoryLess);
  sorted_.erase(std::unique(sorted_.begin(), sorted_.end(), SamePoint),
                sorted_.end());
  return sorted_;
}

// A batch's Put fails only for keys and values beyond 4 GiB.
void LooseRecordWriter::WritePoint(const MetricPoint& point) {
  BeginKey(kSinglePointClass, point);
  batch_->Put(key_, rocksdb::Slice());
}

void LooseRecordWriter::WriteBlock(absl::Span<const MetricPoint> points) {
  if (points.size() == 1) return WritePoint(points[0]);
  BeginKey(BlockClass(points.front(), points.back()), points.front());
  block_.clear();
  EncodeBlock(points, &block_);
  AppendHash(XXH3_64bits(block_.data(), block_.size()), &key_);
  batch_->Put(key_, block_);
}

void LooseRecordWriter::BeginKey(uint8_t record_class,
                                 const MetricPoint& first) {
  ++extent_.records;
  extent_.classes |= uint64_t{1} << record_class;
  key_.resize(prefix_bytes_);
  key_.push_back(static_cast<char>(record_class));
  AppendPoint(first, &key_);
}

absl::Status ReadRecord(std::string_view suffix, std::string_view value,
                        std::vector<MetricPoint>* points) {
  RecordSuffix record;
  if (!ParseRecordSuffix(suffix, &record) ||
      record.record_class == kSummaryClass) {
    return absl::DataLossError("malformed key of a point");
  }
  if (record.record_class == kPackedClass) {
    return DecodePackedBlock(value, record.first, points);
  }
  if (record.record_class != kSinglePointClass) {
    return DecodeBlock(value, record.first, points);
  }
  points->push_back(record.first);
  return absl::OkStatus();
}

}  // namespace millstream::storage
