#include "gateway/json/scalar_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/error.h"
#include "base/str_cat.h"

namespace millstream::gateway {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

// As much of a refused value as a message shows, in bytes.
constexpr size_t kShownValueMax = 80;

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase(AbslView(a), AbslView(b));
}

// Whether `text` starts as a number does; from_chars also knows names.
bool StartsAsNumber(std::string_view text) {
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  if (!text.empty() && text[0] == '.') text.remove_prefix(1);
  return !text.empty() && absl::ascii_isdigit(text[0]);
}

// A whole number, without "+"; sets `*out_of_range` if it is one that
// int64 cannot hold.
std::optional<int64_t> ParseDigits(std::string_view text, bool* out_of_range) {
  int64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  *out_of_range = error == std::errc::result_out_of_range;
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<int64_t> ToInteger(double number) {
  // 2^63 is a double; the greatest int64 is not.
  constexpr double kLimit = 9223372036854775808.0;
  if (!(number >= -kLimit && number < kLimit)) return std::nullopt;
  if (number != std::floor(number)) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  if (!text.empty() && text[0] == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text[0] == '-') return std::nullopt;
  }
  bool out_of_range = false;
  if (std::optional<int64_t> value = ParseDigits(text, &out_of_range)) {
    return value;
  }
  if (out_of_range || !StartsAsNumber(text)) return std::nullopt;
  const std::optional<double> number = ParseDouble(text);
  return number.has_value() ? ToInteger(*number) : std::nullopt;
}

std::optional<double> ParseDouble(std::string_view text) {
  if (!text.empty() && text[0] == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text[0] == '-') return std::nullopt;
  }
  const bool negative = !text.empty() && text[0] == '-';
  const std::string_view name = negative ? text.substr(1) : text;
  if (EqualsIgnoringCase(name, "nan")) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (EqualsIgnoringCase(name, "infinity") || EqualsIgnoringCase(name, "inf")) {
    const double infinity = std::numeric_limits<double>::infinity();
    return negative ? -infinity : infinity;
  }
  if (!StartsAsNumber(text)) return std::nullopt;
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too small is zero, as everywhere else; too large is refused.
    const size_t exponent = text.find_first_of("eE");
    const bool small =
        exponent == std::string_view::npos
            ? name[0] == '0'
            : exponent + 1 < text.size() && text[exponent + 1] == '-';
    if (small) {
      return negative ? -0.0 : 0.0;
    }
    return std::nullopt;
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

absl::Status InvalidValue(std::string_view value, std::string_view path,
                          std::string_view expected) {
  std::string shown(value.substr(0, kShownValueMax));
  if (value.size() > shown.size()) {
    // Not in the middle of a character.
    while (!shown.empty() && (shown.back() & 0xC0) == 0x80) shown.pop_back();
    if (!shown.empty() && (shown.back() & 0x80) != 0) shown.pop_back();
    shown += "...";
  }
  return InvalidParameter("Invalid value ", shown, " for parameter '",
                          AbslView(path), "' supplied: it must be ",
                          AbslView(expected), ".");
}

std::string_view ExpectedOf(const FieldInfo& field) {
  if (field.map) return "an object";
  if (field.repeated) return "a list";
  switch (field.type) {
    case FieldDescriptor::CPPTYPE_INT32:
      return "a whole number of at most 32 bits";
    case FieldDescriptor::CPPTYPE_INT64:
      return "a whole number of at most 64 bits";
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return "a whole number, not negative";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "a number, \"NaN\", \"Infinity\" or \"-Infinity\"";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return "one of the names that the API documents";
    case FieldDescriptor::CPPTYPE_STRING:
      return field.bytes ? "bytes in base64" : "a string";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "an object";
  }
  return "something else";
}

bool Ignores(const FieldInfo& field, std::string_view token) {
  if (field.misfit == v1::REFUSED) return false;
  if (field.misfit == v1::IGNORED) return true;
  if (field.misfit == v1::NUMBER_IGNORED && token.size() >= 2 &&
      token.front() == '"' && token.back() == '"') {
    token = token.substr(1, token.size() - 2);
    return !token.empty() &&
           std::all_of(token.begin(), token.end(), absl::ascii_isdigit);
  }
  if (token == "true" || token == "false") return true;
  const std::optional<double> number = ParseDouble(token);
  if (!number.has_value() || !StartsAsNumber(token)) return false;
  return field.misfit == v1::NUMBER_IGNORED ||
         *number != std::floor(*number);
}

bool SetInteger(const FieldInfo& field, int64_t value, Append append,
                Message* message) {
  const Reflection& reflection = *message->GetReflection();
  const FieldDescriptor* descriptor = field.descriptor;
  const bool add = append == Append::kYes;
  switch (field.type) {
    case FieldDescriptor::CPPTYPE_INT64:
      add ? reflection.AddInt64(message, descriptor, value)
          : reflection.SetInt64(message, descriptor, value);
      return true;
    case FieldDescriptor::CPPTYPE_INT32: {
      const auto narrow = static_cast<int32_t>(value);
      if (narrow != value) return false;
      add ? reflection.AddInt32(message, descriptor, narrow)
          : reflection.SetInt32(message, descriptor, narrow);
      return true;
    }
    case FieldDescriptor::CPPTYPE_UINT64:
      if (value < 0) return false;
      add ? reflection.AddUInt64(message, descriptor, value)
          : reflection.SetUInt64(message, descriptor, value);
      return true;
    case FieldDescriptor::CPPTYPE_UINT32: {
      const auto narrow = static_cast<uint32_t>(value);
      if (narrow != value) return false;
      add ? reflection.AddUInt32(message, descriptor, narrow)
          : reflection.SetUInt32(message, descriptor, narrow);
      return true;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto narrow = static_cast<int>(value);
      if (narrow != value || narrow == 0) return false;
      const EnumValueDescriptor* known =
          descriptor->enum_type()->FindValueByNumber(narrow);
      if (known == nullptr) return false;
      add ? reflection.AddEnum(message, descriptor, known)
          : reflection.SetEnum(message, descriptor, known);
      return true;
    }
    default:
      return false;
  }
}

absl::Status SetFromText(const FieldInfo& field, std::string_view text,
                         std::string_view path, Append append,
                         Message* message) {
  const Reflection& reflection = *message->GetReflection();
  const FieldDescriptor* descriptor = field.descriptor;
  const bool add = append == Append::kYes;
  const auto invalid = [&] {
    return InvalidValue(StrCat("\"", text, "\""), path, ExpectedOf(field));
  };
  switch (field.type) {
    case FieldDescriptor::CPPTYPE_STRING:
      add ? reflection.AddString(message, descriptor, std::string(text))
          : reflection.SetString(message, descriptor, std::string(text));
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL: {
      const bool yes = EqualsIgnoringCase(text, "true");
      if (!yes && !EqualsIgnoringCase(text, "false")) return invalid();
      add ? reflection.AddBool(message, descriptor, yes)
          : reflection.SetBool(message, descriptor, yes);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT: {
      const std::optional<double> value = ParseDouble(text);
      if (!value.has_value()) return invalid();
      if (field.type == FieldDescriptor::CPPTYPE_FLOAT) {
        add ? reflection.AddFloat(message, descriptor, *value)
            : reflection.SetFloat(message, descriptor, *value);
      } else {
        add ? reflection.AddDouble(message, descriptor, *value)
            : reflection.SetDouble(message, descriptor, *value);
      }
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumValueDescriptor* known =
          descriptor->enum_type()->FindValueByName(std::string(text));
      if (known != nullptr) {
        add ? reflection.AddEnum(message, descriptor, known)
            : reflection.SetEnum(message, descriptor, known);
        return absl::OkStatus();
      }
      bool out_of_range = false;
      const std::optional<int64_t> number = ParseDigits(text, &out_of_range);
      if (number.has_value()) SetInteger(field, *number, append, message);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return invalid();
    default:
      break;
  }
  const std::optional<int64_t> value = ParseInteger(text);
  if (!value.has_value() || !SetInteger(field, *value, append, message)) {
    return invalid();
  }
  return absl::OkStatus();
}

}  // namespace millstream::gateway
