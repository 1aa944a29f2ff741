// Whatever lies on the disk: a record that is read whole, or an error. What was
// read can be written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/packed_block.h"
#include "storage/rocksdb/points_digest.h"
#include "storage/rocksdb/rollups.h"

namespace millstream::storage {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void PlayKey(std::string_view key) {
  const std::string_view whole = key;
  std::string run_id, metric_key;
  if (!ConsumeRunPrefix(&key, &run_id)) return;
  if (!ConsumeMetricKey(&key, &metric_key)) return;
  RecordSuffix suffix;
  if (!ParseRecordSuffix(key, &suffix)) return;
  std::string again;
  AppendSeriesPrefix(run_id, metric_key, &again);
  // A long form of a short run id reads, but is not what we write.
  if (!whole.starts_with(again)) return;
  Require(whole.substr(again.size()) == key);
}

void PlayBlock(std::string_view bytes) {
  if (bytes.size() < kPointBytes) return;
  const MetricPoint first = ParsePoint(bytes);
  const std::string_view block = bytes.substr(kPointBytes);
  BlockHeader header;
  const bool has_header = ParseBlockHeader(block, first, &header).ok();
  std::vector<MetricPoint> points;
  if (!DecodeBlock(block, first, &points).ok()) {
    Require(points.empty());
    return;
  }
  Require(has_header && points.size() == header.count);
  for (size_t i = 1; i < points.size(); ++i) {
    Require(HistoryLess(points[i - 1], points[i]));
  }
  std::string encoded;
  EncodeBlock(points, &encoded);
  std::vector<MetricPoint> again;
  Require(DecodeBlock(encoded, points[0], &again).ok());
  Require(again.size() == points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    Require(SamePoint(again[i], points[i]));
  }
}

void PlayPackedBlock(std::string_view bytes) {
  if (bytes.size() < kPointBytes) return;
  const MetricPoint first = ParsePoint(bytes);
  std::vector<MetricPoint> points;
  if (!DecodePackedBlock(bytes.substr(kPointBytes), first, &points).ok()) {
    Require(points.empty());
    return;
  }
  for (size_t i = 1; i < points.size(); ++i) {
    Require(HistoryLess(points[i - 1], points[i]));
  }
  std::string encoded;
  EncodePackedBlock(points, &encoded);
  std::vector<MetricPoint> again;
  Require(DecodePackedBlock(encoded, points[0], &again).ok());
  Require(again.size() == points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    Require(SamePoint(again[i], points[i]));
  }
  std::string summary_bytes;
  BlockSummary summary;
  EncodeSummary(SummaryOf(points), first, &summary_bytes);
  Require(ParseSummary(summary_bytes, first, &summary));
  Require(summary.digest.count == points.size());
}

void PlaySummary(std::string_view bytes) {
  if (bytes.size() < kPointBytes) return;
  const MetricPoint first = ParsePoint(bytes);
  BlockSummary summary, again;
  if (!ParseSummary(bytes.substr(kPointBytes), first, &summary)) return;
  std::string encoded;
  EncodeSummary(summary, first, &encoded);
  Require(ParseSummary(encoded, first, &again));
  Require(again.digest.count == summary.digest.count);
}

void PlaySeriesInfo(std::string_view bytes) {
  SeriesInfo info;
  if (!ParseSeriesInfo(bytes, &info)) return;
  std::string encoded;
  EncodeSeriesInfo(info, &encoded);
  Require(ParseSeriesInfo(encoded, &info));
}

}  // namespace

// The input is a key, and a block or summary with its first point before it.
void PlayRecord(std::string_view input) {
  PlayKey(input);
  PlayBlock(input);
  PlayPackedBlock(input);
  PlaySummary(input);
  PlaySeriesInfo(input);
}

}  // namespace millstream::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  millstream::storage::PlayRecord(
      std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
