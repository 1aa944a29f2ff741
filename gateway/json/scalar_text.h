// Scalars written as text: in query strings, in path variables, and in JSON
// where a number comes in quotes.
#ifndef MILLSTREAM_GATEWAY_JSON_SCALAR_TEXT_H_
#define MILLSTREAM_GATEWAY_JSON_SCALAR_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gateway/json/message_table.h"

namespace millstream::gateway {

// All functions are thread-safe.

// The integer that `text` is: digits with a sign, or a number such as "5.0" or
// "1e3" without a fraction. Nothing for blanks, other text, and what int64
// cannot hold.
std::optional<int64_t> ParseInteger(std::string_view text);

// The same of a number already parsed.
std::optional<int64_t> ToInteger(double number);

// A finite number, or "NaN", "Infinity", "-Infinity" (in any case, as the
// reference takes them). Nothing for other text and numbers out of range.
std::optional<double> ParseDouble(std::string_view text);

// INVALID_PARAMETER_VALUE: `value`, as the caller wrote it and cut short if
// long, cannot be parameter `path`, which is to be `expected` ("a string").
absl::Status InvalidValue(std::string_view value, std::string_view path,
                          std::string_view expected);

// What a field holds, for InvalidValue: "an integer between ...".
std::string_view ExpectedOf(const FieldInfo& field);

// Whether a JSON value that `field` cannot take counts as absent
// (millstream.v1.misfit); `token` is the value as written, at least its first
// character, without blanks around it.
bool Ignores(const FieldInfo& field, std::string_view token);

enum class Append { kNo, kYes };

// Sets `field` of `message`, or with kYes adds to it, from text.
// INVALID_PARAMETER_VALUE naming `path` if it does not fit. What an enum does
// not have changes nothing, as in the reference.
// REQUIRES: no message field.
absl::Status SetFromText(const FieldInfo& field, std::string_view text,
                         std::string_view path, Append append,
                         google::protobuf::Message* message);

// Sets or adds an integer; false if the field's type cannot hold it. Enums
// take the numbers they have, but for the zero that stands for "absent".
// REQUIRES: a field of integer or enum type.
bool SetInteger(const FieldInfo& field, int64_t value, Append append,
                google::protobuf::Message* message);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_JSON_SCALAR_TEXT_H_
