#include "gateway/json/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "absl/strings/escaping.h"
#include "base/str_cat.h"
#include "gateway/json/utf8.h"
#include "millstream/v1/entities.pb.h"

namespace millstream::gateway {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

namespace {

// Bytes that stand for themselves within a string.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x7F; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

void WriteEscaped(unsigned char c, std::string* out) {
  switch (c) {
    case '"': out->append("\\\""); return;
    case '\\': out->append("\\\\"); return;
    case '\n': out->append("\\n"); return;
    case '\r': out->append("\\r"); return;
    case '\t': out->append("\\t"); return;
    case '\b': out->append("\\b"); return;
    case '\f': out->append("\\f"); return;
    default: break;
  }
  constexpr char kDigits[] = "0123456789abcdef";
  const char escape[] = {'\\', 'u', '0', '0', kDigits[c >> 4],
                         kDigits[c & 15]};
  out->append(escape, sizeof(escape));
}

// Digits d1 d2 ... dn of |value| and the power of ten of the first.
struct Digits {
  char digits[24];
  int count;
  int exponent;
};

Digits ShortestDigits(double value) {
  // "d.ddde+xx"
  char text[32];
  const auto result = std::to_chars(text, text + sizeof(text), value,
                                    std::chars_format::scientific);
  Digits shortest{};
  const char* at = text;
  for (; at != result.ptr && *at != 'e'; ++at) {
    if (*at != '.') shortest.digits[shortest.count++] = *at;
  }
  // from_chars takes no "+".
  at += at[1] == '+' ? 2 : 1;
  std::from_chars(at, result.ptr, shortest.exponent);
  return shortest;
}

const MessageTable& MetricTable() {
  static const MessageTable& table = MessageTable::Of(v1::Metric::descriptor());
  return table;
}

// A point by its own accessors: a page of history has 25,000, and a batch
// 1,000. The same as WriteJson makes of it, by reflection, in twice the time.
void WriteMetric(const v1::Metric& metric, std::string* out) {
  char separator = '{';
  const auto begin = [&](std::string_view key) {
    out->push_back(separator);
    out->append(key);
    separator = ',';
  };
  const auto text = [&](std::string_view key, const std::string& value) {
    begin(key);
    WriteJsonString(value, out);
  };
  if (metric.has_key()) text("\"key\":", metric.key());
  if (metric.has_value()) {
    begin("\"value\":");
    WriteJsonDouble(metric.value(), out);
  }
  if (metric.has_timestamp()) {
    begin("\"timestamp\":");
    WriteJsonInteger(metric.timestamp(), out);
  }
  if (metric.has_step()) {
    begin("\"step\":");
    WriteJsonInteger(metric.step(), out);
  }
  if (metric.has_dataset_name()) {
    text("\"dataset_name\":", metric.dataset_name());
  }
  if (metric.has_dataset_digest()) {
    text("\"dataset_digest\":", metric.dataset_digest());
  }
  if (metric.has_model_id()) text("\"model_id\":", metric.model_id());
  if (metric.has_run_id()) text("\"run_id\":", metric.run_id());
  if (separator == '{') out->push_back('{');
  out->push_back('}');
}

void WriteOne(const Message& message, const Reflection& reflection,
              const FieldInfo& field, std::string* out);
void WriteElement(const Message& message, const Reflection& reflection,
                  const FieldInfo& field, int index, std::string* out);
void WriteMap(const Message& message, const Reflection& reflection,
              const FieldInfo& field, std::string* out);

void WriteBytesOrString(const FieldInfo& field, const std::string& value,
                        std::string* out) {
  if (!field.bytes) {
    WriteJsonString(value, out);
    return;
  }
  out->push_back('"');
  out->append(absl::Base64Escape(value));
  out->push_back('"');
}

void WriteEnum(const FieldInfo& field, int number, std::string* out) {
  const EnumValueDescriptor* value =
      field.descriptor->enum_type()->FindValueByNumber(number);
  if (value == nullptr) {
    WriteJsonInteger(number, out);
  } else {
    WriteJsonString(value->name(), out);
  }
}

void WriteOne(const Message& message, const Reflection& reflection,
              const FieldInfo& field, std::string* out) {
  const FieldDescriptor* descriptor = field.descriptor;
  switch (field.type) {
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      WriteBytesOrString(
          field, reflection.GetStringReference(message, descriptor, &scratch),
          out);
      return;
    }
    case FieldDescriptor::CPPTYPE_INT64:
      return WriteJsonInteger(reflection.GetInt64(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return WriteJsonDouble(reflection.GetDouble(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return WriteJson(reflection.GetMessage(message, descriptor),
                       *field.message, out);
    case FieldDescriptor::CPPTYPE_ENUM:
      return WriteEnum(field, reflection.GetEnumValue(message, descriptor),
                       out);
    case FieldDescriptor::CPPTYPE_BOOL:
      out->append(reflection.GetBool(message, descriptor) ? "true" : "false");
      return;
    case FieldDescriptor::CPPTYPE_INT32:
      return WriteJsonInteger(reflection.GetInt32(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_UINT32:
      return WriteJsonInteger(reflection.GetUInt32(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_UINT64:
      StrAppend(out, reflection.GetUInt64(message, descriptor));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      return WriteJsonDouble(reflection.GetFloat(message, descriptor), out);
  }
}

void WriteElement(const Message& message, const Reflection& reflection,
                  const FieldInfo& field, int index, std::string* out) {
  const FieldDescriptor* descriptor = field.descriptor;
  switch (field.type) {
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      WriteBytesOrString(field,
                         reflection.GetRepeatedStringReference(
                             message, descriptor, index, &scratch),
                         out);
      return;
    }
    case FieldDescriptor::CPPTYPE_INT64:
      return WriteJsonInteger(
          reflection.GetRepeatedInt64(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return WriteJsonDouble(
          reflection.GetRepeatedDouble(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return WriteJson(
          reflection.GetRepeatedMessage(message, descriptor, index),
          *field.message, out);
    case FieldDescriptor::CPPTYPE_ENUM:
      return WriteEnum(
          field, reflection.GetRepeatedEnumValue(message, descriptor, index),
          out);
    case FieldDescriptor::CPPTYPE_BOOL:
      out->append(reflection.GetRepeatedBool(message, descriptor, index)
                      ? "true"
                      : "false");
      return;
    case FieldDescriptor::CPPTYPE_INT32:
      return WriteJsonInteger(
          reflection.GetRepeatedInt32(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_UINT32:
      return WriteJsonInteger(
          reflection.GetRepeatedUInt32(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_UINT64:
      StrAppend(out, reflection.GetRepeatedUInt64(message, descriptor, index));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      return WriteJsonDouble(
          reflection.GetRepeatedFloat(message, descriptor, index), out);
  }
}

void WriteMap(const Message& message, const Reflection& reflection,
              const FieldInfo& field, std::string* out) {
  const FieldInfo& key = field.message->fields()[0];
  const FieldInfo& value = field.message->fields()[1];
  const int size = reflection.FieldSize(message, field.descriptor);
  char separator = '{';
  if (size == 0) out->push_back('{');
  for (int i = 0; i < size; ++i) {
    const Message& entry =
        reflection.GetRepeatedMessage(message, field.descriptor, i);
    const Reflection& entry_reflection = *entry.GetReflection();
    out->push_back(separator);
    separator = ',';
    // Keys of any type are strings in JSON.
    if (key.type == FieldDescriptor::CPPTYPE_STRING) {
      WriteOne(entry, entry_reflection, key, out);
    } else {
      out->push_back('"');
      WriteOne(entry, entry_reflection, key, out);
      out->push_back('"');
    }
    out->push_back(':');
    WriteOne(entry, entry_reflection, value, out);
  }
  out->push_back('}');
}

// Whether a field holds generated Metrics: such lists have a way of their own.
bool IsMetric(const FieldInfo& field) {
  return field.message == &MetricTable();
}

}  // namespace

void WriteJson(const Message& message, const MessageTable& table,
               std::string* out) {
  const Reflection& reflection = *message.GetReflection();
  char separator = '{';
  for (const FieldInfo& field : table.fields()) {
    if (!field.repeated) {
      if (!reflection.HasField(message, field.descriptor)) continue;
      out->push_back(separator);
      out->append(field.json_key);
      WriteOne(message, reflection, field, out);
      separator = ',';
      continue;
    }
    const int size = reflection.FieldSize(message, field.descriptor);
    if (size == 0 && !field.always_shown) continue;
    out->push_back(separator);
    out->append(field.json_key);
    separator = ',';
    if (field.map) {
      WriteMap(message, reflection, field, out);
      continue;
    }
    out->push_back('[');
    const bool metrics = IsMetric(field);
    for (int i = 0; i < size; ++i) {
      if (i > 0) out->push_back(',');
      if (metrics) {
        WriteMetric(static_cast<const v1::Metric&>(
                        reflection.GetRepeatedMessage(
                            message, field.descriptor, i)),
                    out);
      } else {
        WriteElement(message, reflection, field, i, out);
      }
    }
    out->push_back(']');
  }
  if (separator == '{') out->push_back('{');
  out->push_back('}');
}

void WriteJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  size_t start = 0;
  size_t at = 0;
  while (at < text.size()) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (kPlain[c]) {
      ++at;
      continue;
    }
    if (c >= 0x80) {
      if (const size_t length = Utf8SequenceLength(text, at); length > 0) {
        at += length;
        continue;
      }
    }
    out->append(text.data() + start, at - start);
    if (c >= 0x80) {
      out->append("\xEF\xBF\xBD");
    } else {
      WriteEscaped(c, out);
    }
    start = ++at;
  }
  out->append(text.data() + start, at - start);
  out->push_back('"');
}

void WriteJsonInteger(int64_t value, std::string* out) {
  char text[24];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  out->append(text, result.ptr - text);
}

void WriteJsonDouble(double value, std::string* out) {
  if (!std::isfinite(value)) {
    out->append(std::isnan(value) ? "\"NaN\""
                : value > 0      ? "\"Infinity\""
                                 : "\"-Infinity\"");
    return;
  }
  // Whole numbers below 2^53 have their own digits.
  if (std::fabs(value) < 9007199254740992.0 && value == std::trunc(value) &&
      !(value == 0 && std::signbit(value))) {
    WriteJsonInteger(static_cast<int64_t>(value), out);
    out->append(".0");
    return;
  }
  if (std::signbit(value)) out->push_back('-');
  const Digits shortest = ShortestDigits(std::fabs(value));
  const std::string_view digits(shortest.digits, shortest.count);
  const int exponent = shortest.exponent;
  if (exponent < -4 || exponent >= 16) {
    out->push_back(digits[0]);
    if (digits.size() > 1) {
      out->push_back('.');
      out->append(digits.substr(1));
    }
    out->append(exponent < 0 ? "e-" : "e+");
    if (std::abs(exponent) < 10) out->push_back('0');
    WriteJsonInteger(std::abs(exponent), out);
  } else if (exponent < 0) {
    out->append("0.");
    out->append(-exponent - 1, '0');
    out->append(digits);
  } else {
    const size_t before = exponent + 1;
    out->append(digits.substr(0, before));
    if (digits.size() < before) out->append(before - digits.size(), '0');
    out->push_back('.');
    out->append(digits.size() > before ? digits.substr(before) : "0");
  }
}

}  // namespace millstream::gateway
