// One measurement of a metric, and the two orders that points have.
//
// All functions are pure.
#ifndef MILLSTREAM_STORAGE_METRIC_POINT_H_
#define MILLSTREAM_STORAGE_METRIC_POINT_H_

#include <bit>
#include <compare>
#include <cstdint>
#include <limits>

namespace millstream::storage {

struct MetricPoint {
  int64_t timestamp_ms = 0;
  int64_t step = 0;
  double value = 0;
};

// A total order of doubles, as unsigned numbers:
//
//   -inf < ... < -0.0 < 0.0 < NaN < 5e-324 < ... < inf
//
// NaN stands where MLflow's database has it: with value 0 and a mark, after the
// number 0. All NaNs are one value; 0.0 and -0.0 are two. Reaches the disk (as
// part of keys): do not change.
inline uint64_t ValueOrder(double value) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  if (value != value) return kSign + 1;
  uint64_t bits = std::bit_cast<uint64_t>(value);
  if ((bits & kSign) != 0) return ~bits;
  if (bits == 0) return kSign;
  return (bits | kSign) + 1;  // +1: room for NaN
}

// The value that ValueOrder maps to `order`. Orders that no value has (beyond
// infinity) give NaN.
inline double ValueOfOrder(uint64_t order) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  if (order == kSign + 1) return std::numeric_limits<double>::quiet_NaN();
  if (order < kSign) return std::bit_cast<double>(~order);
  if (order == kSign) return 0.0;
  return std::bit_cast<double>((order - 1) & ~kSign);
}

// The order of a metric's history: (timestamp, step, value). Points that
// compare equal are one point, kept once.
inline std::strong_ordering CompareHistory(const MetricPoint& a,
                                           const MetricPoint& b) {
  if (auto c = a.timestamp_ms <=> b.timestamp_ms; c != 0) return c;
  if (auto c = a.step <=> b.step; c != 0) return c;
  return ValueOrder(a.value) <=> ValueOrder(b.value);
}

// The order of charts, and of what "latest" means: (step, timestamp, value).
inline std::strong_ordering CompareSteps(const MetricPoint& a,
                                         const MetricPoint& b) {
  if (auto c = a.step <=> b.step; c != 0) return c;
  if (auto c = a.timestamp_ms <=> b.timestamp_ms; c != 0) return c;
  return ValueOrder(a.value) <=> ValueOrder(b.value);
}

inline bool HistoryLess(const MetricPoint& a, const MetricPoint& b) {
  return CompareHistory(a, b) < 0;
}
inline bool StepLess(const MetricPoint& a, const MetricPoint& b) {
  return CompareSteps(a, b) < 0;
}
inline bool SamePoint(const MetricPoint& a, const MetricPoint& b) {
  return CompareHistory(a, b) == 0;
}

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_METRIC_POINT_H_
