#include "storage/charts/points_digest.h"

#include <algorithm>

namespace millstream::storage {

void PointsDigest::Add(const MetricPoint& point) {
  if (count == 0) {
    first = last = point;
    time_min = time_max = point.timestamp_ms;
  } else {
    if (StepLess(last, point)) {
      last = point;
    } else if (StepLess(point, first)) {
      first = point;
    }
    time_min = std::min(time_min, point.timestamp_ms);
    time_max = std::max(time_max, point.timestamp_ms);
  }
  if (point.value != point.value) {
    if (nans == 0 || StepLess(point, nan)) nan = point;
    ++nans;
  } else if (!HasNumbers()) {
    min = max = point;
  } else {
    if (point.value < min.value ||
        (point.value == min.value && StepLess(point, min))) {
      min = point;
    }
    if (point.value > max.value ||
        (point.value == max.value && StepLess(point, max))) {
      max = point;
    }
  }
  ++count;
}

void PointsDigest::Merge(const PointsDigest& other) {
  if (other.count == 0) return;
  if (count == 0) {
    *this = other;
    return;
  }
  if (StepLess(other.first, first)) first = other.first;
  if (StepLess(last, other.last)) last = other.last;
  if (other.HasNumbers()) {
    const bool had = HasNumbers();
    auto beats = [had](const MetricPoint& a, const MetricPoint& b, bool less) {
      return !had || less || (a.value == b.value && StepLess(a, b));
    };
    if (beats(other.min, min, other.min.value < min.value)) min = other.min;
    if (beats(other.max, max, other.max.value > max.value)) max = other.max;
  }
  if (other.nans > 0 && (nans == 0 || StepLess(other.nan, nan))) {
    nan = other.nan;
  }
  time_min = std::min(time_min, other.time_min);
  time_max = std::max(time_max, other.time_max);
  count += other.count;
  nans += other.nans;
}

PointsDigest DigestOf(absl::Span<const MetricPoint> points) {
  PointsDigest digest;
  for (const MetricPoint& point : points) digest.Add(point);
  return digest;
}

}  // namespace millstream::storage
