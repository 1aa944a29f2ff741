// Many points of one series, packed: the value of a packed block's record. Its
// first point is in the record's key (metric_key.h). What a reader wants to
// know without decoding is in the block's summary, a record of its own
// (points_digest.h).
//
//   format      1 byte, kPackedBlockFormat
//   count       varint, 1 to kBlockPointsMax
//   timestamps  varint bytes, column (number_column.h)
//   steps       the same
//   values      1 byte how values are numbers, 1 byte shift, varint bytes,
//               column
//
// A block of one point ends after its count. Values are numbers
//   kOrdered      as in keys (ValueOrder)
//   kDouble       by their bits without sign, negative if they are negative,
//                 shifted right by `shift`: trailing bits that are 0 in all
//   kFloat        the same, of the float that each is exactly
//   kBinary       times 2^shift, if that is a whole number below 2^53; NaN is
//                 2^54
//   kDecimal + e  times 10^e, if that is a whole number below 2^53 and the
//                 number, divided by 10^e, the value; NaN is 2^54
// Except in kOrdered, -0.0 cannot be told; blocks with one are kOrdered.
// Reaches the disk (docs/storage_format.md): what exists does not change.
//
// All functions are pure.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_PACKED_BLOCK_H_
#define MILLSTREAM_STORAGE_ROCKSDB_PACKED_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "storage/metric_point.h"

namespace millstream::storage {

inline constexpr uint8_t kPackedBlockFormat = 2;

// Appends a block. REQUIRES: 1 to kBlockPointsMax points, ascending in history
// order, no two the same.
void EncodePackedBlock(absl::Span<const MetricPoint> points, std::string* out);

// Appends all points of the block, the first one included, in history order.
// kDataLoss if it is malformed; *points is as before then.
absl::Status DecodePackedBlock(std::string_view block, const MetricPoint& first,
                               std::vector<MetricPoint>* points);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_PACKED_BLOCK_H_
