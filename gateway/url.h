// Percent-encoding and query strings.
#ifndef MILLSTREAM_GATEWAY_URL_H_
#define MILLSTREAM_GATEWAY_URL_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/json/message_table.h"

namespace millstream::gateway {

// All functions are thread-safe.

enum class Plus { kIsPlus, kIsBlank };

// `text` with its %xx decoded. A "%" that starts no such thing stays. Bytes
// that are no UTF-8 afterwards are encoded as %XX again, so that what comes
// out always is.
std::string PercentDecode(std::string_view text, Plus plus);

// `path` with everything encoded that may not stand in a path; "/" stays.
std::string EncodePath(std::string_view path);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;

// The parameters of "a=1&b=2", decoded, in order; those without "=" have an
// empty value. INVALID_PARAMETER_VALUE for more than
// limits::kQueryParametersMax.
absl::StatusOr<QueryParameters> ParseQuery(std::string_view query);

// The value of the first parameter called `name`, or null.
const std::string* FindParameter(const QueryParameters& parameters,
                                 std::string_view name);

// Sets the fields of `message`, of the type of `table`, that `parameters`
// name (as "run_id" only). Of several values a field that is no list takes the
// first. Parameters of other names are ignored; message fields cannot be named.
// INVALID_PARAMETER_VALUE naming the parameter for a value that does not fit,
// unless options.proto marks the field to ignore such.
absl::Status BindQuery(const QueryParameters& parameters,
                       const MessageTable& table,
                       google::protobuf::Message* message);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_URL_H_
