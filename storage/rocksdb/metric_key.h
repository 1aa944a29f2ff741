// The keys under which points are kept. docs/storage_format.md shows them byte
// by byte; metric_key_test.cc holds examples. They reach the disk: do not
// change what exists, add.
//
//   record key = run  metric  class  first-point  [hash]
//
//   run          0x01 + 16 bytes, for the 32 lower-case hexadecimal digits that
//                run ids are; other ids: 0x02 + length (2 bytes) + bytes
//   metric       the metric's key, 0x00 written as 0x00 0xFF, then 0x00 0x00
//   class        kSinglePoint, the length class of a loose block (below), or
//                what packing made (series_packer.h): a packed block, its
//                summary
//   first-point  timestamp, step, value: 8 bytes each, big-endian, mapped so
//                that bytes compare as history order does
//   hash         loose blocks only: XXH3-64 of the record's value, 8 bytes, so
//                that two appends that begin alike do not overwrite each other
//                and the same append, replayed, overwrites itself
//
// So the records of a series lie together, ordered by class and first point:
// what was appended first, what packing made of it behind. A single point is
// all key; its record's value is empty. Packed blocks do not overlap, so their
// first points tell them apart. Two more kinds of record of a series have no
// point:
//
//   run  metric  kSeriesInfoClass
//   run  metric  kRollupClass + level  bucket (8 bytes, as steps)
//
// A loose block's class grows with the time it spans: class c holds blocks that
// span less than 4^(c-1) ms. A reader that starts at time t finds all blocks
// that reach beyond t by starting, in each class, at t minus that span, and
// passes over few that do not: cost follows what it reads, wherever it starts.
//
// Keys that begin with 0x00 are no records of points (rocksdb_metric_store.cc).
//
// All functions are pure.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_METRIC_KEY_H_
#define MILLSTREAM_STORAGE_ROCKSDB_METRIC_KEY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/metric_point.h"

namespace millstream::storage {

inline constexpr uint8_t kSinglePointClass = 0;
inline constexpr uint8_t kBlockClassMin = 1;
inline constexpr uint8_t kBlockClassMax = 33;
inline constexpr uint8_t kPackedClass = 0x40;
inline constexpr uint8_t kSummaryClass = 0x41;
inline constexpr uint8_t kSeriesInfoClass = 0x42;
inline constexpr uint8_t kRollupClass = 0x80;
// Above the class of every record of a series.
inline constexpr char kSeriesEnd = static_cast<char>(0xFF);

inline constexpr size_t kPointBytes = 24;
inline constexpr size_t kHashBytes = 8;

// Longest run id that a key can hold, in bytes.
inline constexpr size_t kKeyRunIdBytesMax = 65535;

// Appends the run part. REQUIRES: run_id.size() <= kKeyRunIdBytesMax.
void AppendRunPrefix(std::string_view run_id, std::string* out);

// Appends the run and metric parts.
void AppendSeriesPrefix(std::string_view run_id, std::string_view metric_key,
                        std::string* out);

// Appends the metric part.
void AppendMetricKey(std::string_view metric_key, std::string* out);

// Appends a point's 24 bytes.
void AppendPoint(const MetricPoint& point, std::string* out);

// Appends a block's hash.
void AppendHash(uint64_t hash, std::string* out);

// Appends a step, or the number of a bucket, so that bytes sort as numbers do.
void AppendStep(int64_t step, std::string* out);

// Reads what AppendPoint wrote. REQUIRES: bytes.size() >= kPointBytes.
MetricPoint ParsePoint(std::string_view bytes);
// Reads what AppendHash wrote. REQUIRES: bytes.size() >= kHashBytes.
uint64_t ParseHash(std::string_view bytes);
// Reads what AppendStep wrote. REQUIRES: bytes.size() >= 8.
int64_t ParseStep(std::string_view bytes);

// Read a run or metric part at the front of *key and remove it. False: it is
// malformed, and *key and the result are unspecified.
bool ConsumeRunPrefix(std::string_view* key, std::string* run_id);
bool ConsumeMetricKey(std::string_view* key, std::string* metric_key);

// The end of the key of a record with a first point, after run and metric.
struct RecordSuffix {
  uint8_t record_class = 0;
  MetricPoint first;
  uint64_t hash = 0;  // loose blocks only
};
// False: malformed, or of a class that this version does not know.
bool ParseRecordSuffix(std::string_view suffix, RecordSuffix* record);

// Class of a block from `first` to `last`.
// REQUIRES: first.timestamp_ms <= last.timestamp_ms.
uint8_t BlockClass(const MetricPoint& first, const MetricPoint& last);

// The most that blocks of a class span, in ms.
uint64_t BlockClassSpanMax(uint8_t block_class);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_METRIC_KEY_H_
