// What a chart needs to know about many points of one series without reading
// them. Digests of sets that share no point add up exactly.
//
// Values, not thread-safe.
#ifndef MILLSTREAM_STORAGE_CHARTS_POINTS_DIGEST_H_
#define MILLSTREAM_STORAGE_CHARTS_POINTS_DIGEST_H_

#include <cstdint>

#include "absl/types/span.h"
#include "storage/metric_point.h"

namespace millstream::storage {

struct PointsDigest {
  uint64_t count = 0;
  uint64_t nans = 0;
  // In step order.
  MetricPoint first;
  MetricPoint last;
  // Least and greatest value that is a number (-0.0 and 0.0 are the same), of
  // several the first in step order. Only if HasNumbers().
  MetricPoint min;
  MetricPoint max;
  // The first in step order; only if nans > 0.
  MetricPoint nan;
  // Least and greatest timestamp, in ms.
  int64_t time_min = 0;
  int64_t time_max = 0;

  bool HasNumbers() const { return count > nans; }

  void Add(const MetricPoint& point);
  void Merge(const PointsDigest& other);
};

PointsDigest DigestOf(absl::Span<const MetricPoint> points);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CHARTS_POINTS_DIGEST_H_
