// Many points of one series in one record: the value of a block record. Its
// first point is in the record's key (metric_key.h) and not repeated.
//
// docs/storage_format.md shows the bytes; metric_block_test.cc holds examples.
// They reach the disk: an encoding that exists does not change; a better one
// gets a number of its own.
//
//   format      1 byte, kBlockFormat
//   flags       1 byte: bit 0, the points ascend in step order too
//   count       varint, 2 to kBlockPointsMax
//   last        timestamp (varint, minus the first's), step (zigzag varint,
//               minus the first's), value (8 bytes)
//   steps       least (varint, below the first's), greatest (varint, above it)
//   timestamps  1 byte encoding, then the column without its first
//   steps       the same
//   values      the same
//
// Encodings of timestamps and steps: kDeltaOfDelta, a zigzag varint for each,
// or kConstantDelta, one zigzag varint for all. Of values: kRaw, 8 bytes each,
// or kXor, each XORed with the one before: a byte holding the number of leading
// zero bytes (high half) and of significant bytes (low half), then the
// significant ones. Fixed-size numbers are little-endian. Differences wrap.
//
// All functions are pure.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_METRIC_BLOCK_H_
#define MILLSTREAM_STORAGE_ROCKSDB_METRIC_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "storage/metric_point.h"

namespace millstream::storage {

inline constexpr uint8_t kBlockFormat = 1;

// What a decoder accepts, and what a writer puts into one block.
inline constexpr size_t kBlockPointsMax = 65536;
inline constexpr size_t kBlockPointsWritten = 1024;

struct BlockHeader {
  size_t count = 0;
  // The points ascend in step order as they do in history order.
  bool step_ordered = false;
  MetricPoint last;
  int64_t step_min = 0;
  int64_t step_max = 0;
  // Where the columns begin.
  size_t body_offset = 0;
};

// Appends a block. REQUIRES: 2 to kBlockPointsMax points, ascending in history
// order, no two the same.
void EncodeBlock(absl::Span<const MetricPoint> points, std::string* out);

// Both return kDataLoss if `block` is malformed. `first` is the point in the
// record's key.
absl::Status ParseBlockHeader(std::string_view block, const MetricPoint& first,
                              BlockHeader* header);
// Appends all points of the block, the first one included, in history order.
// After an error *points is as before.
absl::Status DecodeBlock(std::string_view block, const MetricPoint& first,
                         std::vector<MetricPoint>* points);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_METRIC_BLOCK_H_
