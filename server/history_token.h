// Page tokens of metric histories: the point that the page before ended with.
// Opaque to callers, and bound to one run and metric; nothing in them is
// trusted.
//
// A token is base64 (web-safe) of 1 byte format (1), timestamp, step and value
// (8 bytes each, little-endian), and 8 bytes XXH3-64 of run id, key and all of
// the above. All functions are thread-safe.
#ifndef MILLSTREAM_SERVER_HISTORY_TOKEN_H_
#define MILLSTREAM_SERVER_HISTORY_TOKEN_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/metric_point.h"

namespace millstream::server {

std::string EncodeHistoryToken(std::string_view run_id,
                               std::string_view metric_key,
                               const storage::MetricPoint& last);

// INVALID_PARAMETER_VALUE: no token, of another run or metric, or changed.
absl::StatusOr<storage::MetricPoint> DecodeHistoryToken(
    std::string_view token, std::string_view run_id,
    std::string_view metric_key);

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_HISTORY_TOKEN_H_
