// JSON request bodies straight into protobuf messages, with the leniencies of
// the reference (see DecodeJson). Neither a tree nor a map in between.
#ifndef MILLSTREAM_GATEWAY_JSON_JSON_DECODER_H_
#define MILLSTREAM_GATEWAY_JSON_JSON_DECODER_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "gateway/json/message_table.h"

namespace millstream::gateway {

// Bytes that DecodeJson wants beyond the end of its text, whatever they hold.
inline constexpr size_t kJsonPaddingBytes = 64;

// Sets the fields of `message`, of the type of `table`, from the JSON object
// in `*body`. `body` may grow in capacity (by kJsonPaddingBytes at most; none
// if that is reserved already) and is otherwise unchanged.
//
// What is read as the reference reads it:
//   - text that is no JSON, nothing at all, and null count as an empty object;
//     a byte order mark may precede;
//   - a string that holds JSON is read once more (old clients encode twice);
//   - unknown members are ignored; null is an absent member; of members that
//     come twice the last counts;
//   - members are called "run_id" or "runId", not both; required and other
//     ones that options.proto marks only by the former;
//   - whole numbers come quoted or not, also as 5.0 or 5e0; numbers quoted or
//     not; NaN and infinities quoted;
//   - a double may be true (1) or false (0);
//   - enum values come by name or number; text that is neither is ignored;
//   - bytes are base64.
// Members that options.proto marks in_body must be there, not null and not "";
// those it marks not_null must not be null. What becomes of values that do not
// fit is marked there too, as misfit: by default
// INVALID_PARAMETER_VALUE, naming the parameter, for values of other types or
// out of range, for half of a surrogate pair, for JSON that is no object and
// for nesting deeper than limits::kJsonDepthMax. `message` is unspecified then.
//
// Thread-safe.
absl::Status DecodeJson(std::string* body, const MessageTable& table,
                        google::protobuf::Message* message);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_JSON_JSON_DECODER_H_
