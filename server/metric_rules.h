// What MLflow demands of the points of metrics, and what it keeps of them; the
// same for every rpc that logs them.
//
// All functions are thread-safe; every error is INVALID_PARAMETER_VALUE.
// `field` is how the caller calls the metric, such as "metrics[3]."; empty for
// the request itself.
#ifndef MILLSTREAM_SERVER_METRIC_RULES_H_
#define MILLSTREAM_SERVER_METRIC_RULES_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "absl/status/status.h"

namespace millstream::server {

// The number that MLflow keeps for a value.
inline double KeptValue(double value) {
  constexpr double kMax = std::numeric_limits<double>::max();
  if (std::isinf(value)) return value > 0 ? kMax : -kMax;
  return value == 0 ? 0.0 : value;  // -0.0 becomes 0.0
}

absl::Status CheckMetricKey(std::string_view field, std::string_view key);

// Milliseconds since 1970.
absl::Status CheckTimestamp(std::string_view field, int64_t timestamp);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_METRIC_RULES_H_
