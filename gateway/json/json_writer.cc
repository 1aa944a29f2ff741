#include "gateway/json/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "absl/strings/escaping.h"
#include "gateway/json/utf8.h"

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

// A number's text at most.
constexpr size_t kNumberBytesMax = 32;

// Gathers short pieces, as JSON consists of, and appends many at a time.
class Sink {
 public:
  explicit Sink(std::string* out) : out_(*out) {}
  ~Sink() { Flush(); }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  void Put(char c) {
    if (size_ == kBytes) Flush();
    bytes_[size_++] = c;
  }
  void Put(std::string_view text) {
    if (text.size() > kBytes - size_) {
      Flush();
      if (text.size() > kBytes) {
        out_.append(text);
        return;
      }
    }
    std::memcpy(bytes_ + size_, text.data(), text.size());
    size_ += text.size();
  }
  // Room for `count` bytes, of which Took() says how many were written.
  // REQUIRES: count <= kBytes.
  char* Room(size_t count) {
    if (count > kBytes - size_) Flush();
    return bytes_ + size_;
  }
  void Took(const char* end) { size_ = end - bytes_; }

  // Bytes so far.
  size_t size() const { return out_.size() + size_; }
  // Expects this many bytes in all.
  void Expect(size_t bytes) {
    if (bytes > out_.capacity()) out_.reserve(bytes);
  }

 private:
  void Flush() {
    out_.append(bytes_, size_);
    size_ = 0;
  }

  static constexpr size_t kBytes = 4096;

  std::string& out_;
  size_t size_ = 0;
  char bytes_[kBytes];
};

void PutEscaped(unsigned char c, Sink* out) {
  switch (c) {
    case '"': return out->Put("\\\"");
    case '\\': return out->Put("\\\\");
    case '\n': return out->Put("\\n");
    case '\r': return out->Put("\\r");
    case '\t': return out->Put("\\t");
    case '\b': return out->Put("\\b");
    case '\f': return out->Put("\\f");
    default: break;
  }
  constexpr char kDigits[] = "0123456789abcdef";
  const char escape[] = {'\\', 'u', '0', '0', kDigits[c >> 4],
                         kDigits[c & 15]};
  out->Put(std::string_view(escape, sizeof(escape)));
}

void PutString(std::string_view text, Sink* out) {
  out->Put('"');
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
    out->Put(text.substr(start, at - start));
    if (c >= 0x80) {
      out->Put("\xEF\xBF\xBD");
    } else {
      PutEscaped(c, out);
    }
    start = ++at;
  }
  out->Put(text.substr(start));
  out->Put('"');
}

template <typename Integer>
void PutInteger(Integer value, Sink* out) {
  char* const room = out->Room(kNumberBytesMax);
  out->Took(std::to_chars(room, room + kNumberBytesMax, value).ptr);
}

void PutDouble(double value, Sink* out) {
  if (!std::isfinite(value)) {
    return out->Put(std::isnan(value) ? "\"NaN\""
                    : value > 0      ? "\"Infinity\""
                                     : "\"-Infinity\"");
  }
  // Whole numbers below 2^53 have their own digits.
  const double size = std::fabs(value);
  if (size < 9007199254740992.0 && value == std::trunc(value) &&
      !(value == 0 && std::signbit(value))) {
    PutInteger(static_cast<int64_t>(value), out);
    return out->Put(".0");
  }
  // Python's choice between the notations. Either has the fewest digits.
  char* const room = out->Room(kNumberBytesMax);
  if (size >= 1e-4 && size < 1e16) {
    const char* const end =
        std::to_chars(room, room + kNumberBytesMax, value,
                      std::chars_format::fixed).ptr;
    out->Took(end);
    if (std::find(room, const_cast<char*>(end), '.') == end) out->Put(".0");
  } else if (size == 0) {
    out->Put("-0.0");
  } else {
    out->Took(std::to_chars(room, room + kNumberBytesMax, value,
                            std::chars_format::scientific).ptr);
  }
}

void PutMessage(const Message& message, const MessageTable& table, Sink* out);

void PutBytesOrString(const FieldInfo& field, const std::string& value,
                      Sink* out) {
  if (!field.bytes) return PutString(value, out);
  out->Put('"');
  out->Put(absl::Base64Escape(value));
  out->Put('"');
}

void PutEnum(const FieldInfo& field, int number, Sink* out) {
  const EnumValueDescriptor* value =
      field.descriptor->enum_type()->FindValueByNumber(number);
  if (value == nullptr) {
    PutInteger(number, out);
  } else {
    PutString(value->name(), out);
  }
}

void PutOne(const Message& message, const FieldInfo& field, Sink* out) {
  const FieldDescriptor* descriptor = field.descriptor;
  const auto reflection = [&message]() -> const Reflection& {
    return *message.GetReflection();
  };
  switch (field.type) {
    case FieldDescriptor::CPPTYPE_STRING:
      return PutBytesOrString(
          field, field.access.get_text(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_INT64:
      return PutInteger(field.access.get_int64(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return PutDouble(field.access.get_double(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return PutMessage(reflection().GetMessage(message, descriptor),
                        *field.message, out);
    case FieldDescriptor::CPPTYPE_ENUM:
      return PutEnum(field, reflection().GetEnumValue(message, descriptor),
                     out);
    case FieldDescriptor::CPPTYPE_BOOL:
      return out->Put(reflection().GetBool(message, descriptor) ? "true"
                                                                : "false");
    case FieldDescriptor::CPPTYPE_INT32:
      return PutInteger(reflection().GetInt32(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_UINT32:
      return PutInteger(reflection().GetUInt32(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_UINT64:
      return PutInteger(reflection().GetUInt64(message, descriptor), out);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return PutDouble(reflection().GetFloat(message, descriptor), out);
  }
}

void PutElement(const Message& message, const FieldInfo& field, int index,
                Sink* out) {
  const FieldDescriptor* descriptor = field.descriptor;
  if (field.message != nullptr) {
    return PutMessage(field.access.get_message(message, descriptor, index),
                      *field.message, out);
  }
  const Reflection& reflection = *message.GetReflection();
  switch (field.type) {
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      return PutBytesOrString(field,
                              reflection.GetRepeatedStringReference(
                                  message, descriptor, index, &scratch),
                              out);
    }
    case FieldDescriptor::CPPTYPE_INT64:
      return PutInteger(
          reflection.GetRepeatedInt64(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return PutDouble(
          reflection.GetRepeatedDouble(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_ENUM:
      return PutEnum(
          field, reflection.GetRepeatedEnumValue(message, descriptor, index),
          out);
    case FieldDescriptor::CPPTYPE_BOOL:
      return out->Put(reflection.GetRepeatedBool(message, descriptor, index)
                          ? "true"
                          : "false");
    case FieldDescriptor::CPPTYPE_INT32:
      return PutInteger(
          reflection.GetRepeatedInt32(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_UINT32:
      return PutInteger(
          reflection.GetRepeatedUInt32(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_UINT64:
      return PutInteger(
          reflection.GetRepeatedUInt64(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return PutDouble(
          reflection.GetRepeatedFloat(message, descriptor, index), out);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return;  // above
  }
}

void PutMap(const Message& message, const FieldInfo& field, int size,
            Sink* out) {
  const FieldInfo& key = field.message->fields()[0];
  const FieldInfo& value = field.message->fields()[1];
  char separator = '{';
  if (size == 0) out->Put('{');
  for (int i = 0; i < size; ++i) {
    const Message& entry =
        field.access.get_message(message, field.descriptor, i);
    out->Put(separator);
    separator = ',';
    // Keys of any type are strings in JSON.
    const bool quote = key.type != FieldDescriptor::CPPTYPE_STRING;
    if (quote) out->Put('"');
    PutOne(entry, key, out);
    if (quote) out->Put('"');
    out->Put(':');
    PutOne(entry, value, out);
  }
  out->Put('}');
}

void PutList(const Message& message, const FieldInfo& field, int size,
             Sink* out) {
  // After so many elements the size of the rest is guessed: long lists are
  // not moved while they grow.
  constexpr int kSampled = 32;
  out->Put('[');
  const size_t begin = out->size();
  for (int i = 0; i < size; ++i) {
    if (i > 0) out->Put(',');
    if (i == kSampled) {
      const size_t each = (out->size() - begin) / kSampled + 1;
      out->Expect(begin + (each + each / 8) * size);
    }
    PutElement(message, field, i, out);
  }
  out->Put(']');
}

void PutMessage(const Message& message, const MessageTable& table,
                Sink* out) {
  char separator = '{';
  for (const FieldInfo& field : table.fields()) {
    if (!field.repeated) {
      if (!field.access.has(message, field.descriptor)) continue;
      out->Put(separator);
      out->Put(field.json_key);
      PutOne(message, field, out);
      separator = ',';
      continue;
    }
    const int size = field.access.count(message, field.descriptor);
    if (size == 0 && !field.always_shown) continue;
    out->Put(separator);
    out->Put(field.json_key);
    separator = ',';
    if (field.map) {
      PutMap(message, field, size, out);
    } else {
      PutList(message, field, size, out);
    }
  }
  if (separator == '{') out->Put('{');
  out->Put('}');
}

}  // namespace

void WriteJson(const Message& message, const MessageTable& table,
               std::string* out) {
  Sink sink(out);
  PutMessage(message, table, &sink);
}

void WriteJsonString(std::string_view text, std::string* out) {
  Sink sink(out);
  PutString(text, &sink);
}

void WriteJsonDouble(double value, std::string* out) {
  Sink sink(out);
  PutDouble(value, &sink);
}

void WriteJsonInteger(int64_t value, std::string* out) {
  Sink sink(out);
  PutInteger(value, &sink);
}

}  // namespace millstream::gateway
