// Protobuf messages as the JSON that the reference answers.
#ifndef MILLSTREAM_GATEWAY_JSON_JSON_WRITER_H_
#define MILLSTREAM_GATEWAY_JSON_JSON_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/json/message_table.h"

namespace millstream::gateway {

// All functions append to `*out` and are thread-safe.

// The message as one object, without blanks: fields by their names in the
// .proto files, in the order of the files; what is absent, and empty lists and
// maps (unless always_shown), left out; 64-bit integers as numbers; enums by
// name; bytes in base64.
// REQUIRES: `message` is of the type of `table`, and of the class generated for
// it.
void WriteJson(const google::protobuf::Message& message,
               const MessageTable& table, std::string* out);

// A string with its quotes. What is no UTF-8 becomes U+FFFD.
void WriteJsonString(std::string_view text, std::string* out);

// A number with the fewest digits that read back as the same double, in the
// form Python gives it: 1.0, 0.1, 1e-05, 1e+16. NaN and infinities come as
// strings: "NaN", "Infinity", "-Infinity".
void WriteJsonDouble(double value, std::string* out);

void WriteJsonInteger(int64_t value, std::string* out);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_JSON_JSON_WRITER_H_
