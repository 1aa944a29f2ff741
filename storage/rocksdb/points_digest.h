// Digests of points (storage/charts/points_digest.h) as bytes: of a packed
// block (its summary) or of the steps of one bucket (rollups.h).
//
//   flags      1 byte: which values are floats, and which points are the same
//   count      varint
//   first      step (zigzag varint, minus the base's), timestamp (the same),
//              value
//   last, min, max   unless flags say they are another one: step (varint, minus
//              first's), timestamp (zigzag varint, minus first's), value
//   NaN        if flags say so: how many (varint), and the first one as above,
//              without its value
//   times      least (varint, below first's), greatest (varint, above it)
//
// Values are 8 bytes, or 4 if all of them are floats; little-endian. Reaches
// the disk (docs/storage_format.md): what exists does not change.
//
// All functions are thread-safe.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_POINTS_DIGEST_H_
#define MILLSTREAM_STORAGE_ROCKSDB_POINTS_DIGEST_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "storage/charts/points_digest.h"
#include "storage/metric_point.h"

namespace millstream::storage {

// Appends the digest. `base`: step and time that its numbers are near; the
// reader knows it. REQUIRES: digest.count > 0.
void EncodeDigest(const PointsDigest& digest, int64_t base_step,
                  int64_t base_time, std::string* out);

// Reads a digest at the front of *in and removes it. False: it is malformed.
bool ConsumeDigest(std::string_view* in, int64_t base_step, int64_t base_time,
                   PointsDigest* digest);

// What the summary of a packed block says. The block's first point in history
// order is in the key of both.
struct BlockSummary {
  PointsDigest digest;
  // The points ascend in step order as they do in history order.
  bool step_ordered = false;
  // In history order.
  MetricPoint last;
};

inline constexpr uint8_t kSummaryFormat = 1;

// REQUIRES: `points` are one block's, in history order.
BlockSummary SummaryOf(absl::Span<const MetricPoint> points);

//   format      1 byte, kSummaryFormat
//   flags       1 byte: bit 0, step_ordered
//   last        only if not step_ordered, else it is the digest's: timestamp
//               (varint, minus the key's), step (zigzag varint, minus the
//               key's), value (8 bytes)
//   digest      its base is the key's point
void EncodeSummary(const BlockSummary& summary, const MetricPoint& first,
                   std::string* out);
bool ParseSummary(std::string_view bytes, const MetricPoint& first,
                  BlockSummary* summary);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_POINTS_DIGEST_H_
