#include "server/metric_rules.h"

#include <string>

#include "base/error.h"
#include "base/limits.h"
#include "base/names.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::server {

absl::Status CheckMetricKey(std::string_view field, std::string_view key) {
  const std::string key_field = StrCat(field, "key");
  RETURN_IF_ERROR(CheckKey(key_field, key));
  return CheckLength(key_field, limits::kKeyLengthMax, key);
}

absl::Status CheckTimestamp(std::string_view field, int64_t timestamp) {
  if (timestamp >= 0) return absl::OkStatus();
  return InvalidParameter("Invalid value ", timestamp, " for parameter '",
                          field,
                          "timestamp': it must be a number of "
                          "milliseconds since 1970 and not negative.");
}

}  // namespace millstream::server
