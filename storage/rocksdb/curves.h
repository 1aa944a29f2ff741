// Series as trainings log them. For tests and benchmarks.
#ifndef MILLSTREAM_STORAGE_ROCKSDB_CURVES_H_
#define MILLSTREAM_STORAGE_ROCKSDB_CURVES_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "storage/metric_point.h"

namespace millstream::storage {

// Appends points [begin, end) of a series to *points, in history order; the
// same for the same numbers.
using CurveFunction = void (*)(int64_t begin, int64_t end,
                               std::vector<MetricPoint>* points);

struct Curve {
  std::string_view name;
  CurveFunction make;
};

// Each kind of value, and of step and time, that is told apart.
absl::Span<const Curve> RealisticCurves();

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_ROCKSDB_CURVES_H_
