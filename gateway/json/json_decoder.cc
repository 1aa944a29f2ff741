#include "gateway/json/json_decoder.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "gateway/json/plain_log_batch.h"
#include "gateway/json/scalar_text.h"
#include "simdjson.h"

namespace millstream::gateway {
namespace {

namespace ondemand = simdjson::ondemand;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A parser keeps what its largest text needed; larger texts than this get one
// of their own.
constexpr size_t kKeptParserBytesMax = 2'000'000;

// Where a value is, for messages: a chain on the stack, spelt out only when
// something is wrong.
struct Place {
  const Place* parent = nullptr;
  std::string_view name;
  // Position in a list, or -1.
  int64_t index = -1;

  std::string Path() const {
    std::string path = parent == nullptr ? "" : parent->Path();
    if (!path.empty() && !name.empty()) path += '.';
    StrAppend(&path, name);
    if (index >= 0) StrAppend(&path, "[", index, "]");
    return path;
  }
};

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  return text;
}

// Whether `text` is a number by JSON's grammar. `*whole` says whether it has
// neither fraction nor exponent.
bool IsJsonNumber(std::string_view text, bool* whole) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t start = at;
    while (at < text.size() && absl::ascii_isdigit(text[at])) ++at;
    return at - start;
  };
  *whole = true;
  if (at < text.size() && text[at] == '-') ++at;
  const bool zero = at < text.size() && text[at] == '0';
  const size_t leading = digits();
  if (leading == 0 || (zero && leading > 1)) return false;
  if (at < text.size() && text[at] == '.') {
    *whole = false;
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    *whole = false;
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

// What the reference's JSON reader takes beyond JSON.
bool IsUnquotedSpecial(std::string_view text) {
  return text == "NaN" || text == "Infinity" || text == "-Infinity";
}

// Whether each backslash in a string's raw text starts an escape.
bool HasGoodEscapes(std::string_view raw) {
  for (size_t i = raw.find('\\'); i != std::string_view::npos;
       i = raw.find('\\', i + 1)) {
    if (++i == raw.size()) return false;
    if (raw[i] == 'u') {
      for (int digit = 0; digit < 4; ++digit) {
        if (++i >= raw.size() || !absl::ascii_isxdigit(raw[i])) return false;
      }
    } else if (std::string_view("\"\\/bfnrt").find(raw[i]) ==
               std::string_view::npos) {
      return false;
    }
  }
  return true;
}

// Raw text of the member name that ends before ':'.
std::string_view RawKey(ondemand::raw_json_string key) {
  const char* const begin = key.raw();
  const char* end = begin;
  while (*end != '"') end += *end == '\\' ? 2 : 1;
  return std::string_view(begin, end - begin);
}

// Reads one text. Every function returns false when it stops: then either
// `refusal` says why, or the text is no JSON.
class Decoder {
 public:
  bool Object(ondemand::object object, const MessageTable& table,
              const Place& place, int depth, Message* message);

  absl::Status refusal;
  // Fields of the outermost object, by FieldInfo::index, that its members give
  // a value that is neither null nor an empty string.
  uint64_t given = 0;

 private:
  bool Refuse(std::string_view value, const Place& place,
              std::string_view expected) {
    refusal = InvalidValue(value, place.Path(), expected);
    return false;
  }
  bool TooDeep() {
    refusal = InvalidParameter("The request body is nested deeper than ",
                               limits::kJsonDepthMax, " levels.");
    return false;
  }
  // Counts one more item of a list.
  bool CountItem() {
    if (++items_ <= limits::kRequestItemsMax) return true;
    refusal = InvalidParameter("The lists of a request have at most ",
                               limits::kRequestItemsMax,
                               " items in all; send several requests.");
    return false;
  }
  bool Field(ondemand::value value, const FieldInfo& field,
             const Place& place, int depth, Message* message);
  bool Present(ondemand::value value, const FieldInfo& field,
               const Place& place, int depth, Message* message);
  bool List(ondemand::value value, const FieldInfo& field, const Place& place,
            int depth, Message* message);
  bool Map(ondemand::value value, const FieldInfo& field, const Place& place,
           int depth, Message* message);
  bool Scalar(ondemand::value value, const FieldInfo& field,
              const Place& place, Append append, Message* message);
  bool Text(ondemand::value value, const FieldInfo& field, const Place& place,
            Append append, Message* message);
  bool OddScalar(ondemand::value value, const FieldInfo& field,
                 const Place& place, Append append, Message* message);
  bool Skip(ondemand::value value, int depth);
  bool Wrong(ondemand::value value, const Place& place,
             std::string_view expected, int depth);

  int items_ = 0;
};

char FirstByte(ondemand::value& value) {
  // Never empty: simdjson pads what it is given.
  return *value.raw_json_token().data();
}

// Null or an empty string.
bool IsEmpty(ondemand::value& value) {
  const std::string_view token = value.raw_json_token();
  return token.starts_with('n') || token.starts_with("\"\"");
}

// A number as JSON writes it. simdjson 3.0 misreads those that begin with 0 and
// have 20 digits or more behind the point.
bool GetDouble(ondemand::value& value, double* number) {
  constexpr size_t kLongToken = 20;
  const std::string_view token = value.raw_json_token();
  if (token.size() <= kLongToken) {
    return value.get_double().get(*number) == simdjson::SUCCESS;
  }
  bool whole;
  const std::string_view text = Trim(token);
  if (!IsJsonNumber(text, &whole)) return false;
  const std::optional<double> parsed = ParseDouble(text);
  if (parsed.has_value()) *number = *parsed;
  return parsed.has_value();
}

bool Decoder::Object(ondemand::object object, const MessageTable& table,
                     const Place& place, int depth, Message* message) {
  if (depth > limits::kJsonDepthMax) return TooDeep();
  uint64_t seen_by_name = 0;
  uint64_t seen_by_camel_name = 0;
  size_t hint = 0;
  for (simdjson::simdjson_result<ondemand::field> member : object) {
    ondemand::field field_text;
    if (std::move(member).get(field_text) != simdjson::SUCCESS) return false;
    bool by_name = true;
    const FieldInfo* field = table.Guess(field_text.key().raw(), &hint);
    if (field == nullptr) {
      std::string_view key = RawKey(field_text.key());
      if (key.find('\\') != std::string_view::npos &&
          field_text.unescaped_key().get(key) != simdjson::SUCCESS) {
        return false;
      }
      field = table.Find(key, &hint);
      if (field == nullptr) {
        if (!Skip(field_text.value(), depth)) return false;
        continue;
      }
      by_name = key == field->name;
    }
    const uint64_t bit = uint64_t{1} << field->index;
    const bool again = ((seen_by_name | seen_by_camel_name) & bit) != 0;
    (by_name ? seen_by_name : seen_by_camel_name) |= bit;
    if ((seen_by_name & seen_by_camel_name & bit) != 0 &&
        field->name != field->camel_name) {
      refusal = InvalidParameter("The request has both '", field->name,
                                 "' and '", field->camel_name,
                                 "'; send one of them.");
      return false;
    }
    if (!by_name && field->exact_name) {
      if (!Skip(field_text.value(), depth)) return false;
      continue;
    }
    if (again) message->GetReflection()->ClearField(message, field->descriptor);
    const Place here{.parent = &place, .name = field->name};
    ondemand::value value = field_text.value();
    if (depth == 1 && !IsEmpty(value)) given |= bit;
    if (!Field(value, *field, here, depth, message)) return false;
  }
  return true;
}

bool Decoder::Field(ondemand::value value, const FieldInfo& field,
                    const Place& place, int depth, Message* message) {
  if (FirstByte(value) == 'n') {
    if (field.not_null) return Wrong(value, place, ExpectedOf(field), depth);
    // An absent member; checked like any other atom.
    return Skip(value, depth);
  }
  const std::string_view token = value.raw_json_token();
  if (Present(value, field, place, depth, message)) return true;
  if (refusal.ok() || field.repeated || !Ignores(field, Trim(token))) {
    return false;
  }
  refusal = absl::OkStatus();
  message->GetReflection()->ClearField(message, field.descriptor);
  return true;
}

// A value that is not null.
bool Decoder::Present(ondemand::value value, const FieldInfo& field,
                      const Place& place, int depth, Message* message) {
  const char first = FirstByte(value);
  if (field.repeated) {
    return field.map ? Map(value, field, place, depth, message)
                     : List(value, field, place, depth, message);
  }
  if (field.message != nullptr) {
    ondemand::object object;
    if (first != '{') return Wrong(value, place, ExpectedOf(field), depth);
    if (value.get_object().get(object) != simdjson::SUCCESS) return false;
    return Object(object, *field.message, place, depth + 1,
                  message->GetReflection()->MutableMessage(message,
                                                           field.descriptor));
  }
  return Scalar(value, field, place, Append::kNo, message);
}

bool Decoder::List(ondemand::value value, const FieldInfo& field,
                   const Place& place, int depth, Message* message) {
  if (FirstByte(value) != '[') {
    return Wrong(value, place, ExpectedOf(field), depth);
  }
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) return false;
  Place here = place;
  here.index = -1;
  for (simdjson::simdjson_result<ondemand::value> element : array) {
    ++here.index;
    if (!CountItem()) return false;
    ondemand::value item;
    if (std::move(element).get(item) != simdjson::SUCCESS) return false;
    if (field.message != nullptr) {
      if (FirstByte(item) != '{') {
        if (!Ignores(field, Trim(item.raw_json_token()))) {
          return Wrong(item, here, "an object", depth + 1);
        }
        field.access.add_message(message, field.descriptor);
        if (!Skip(item, depth + 1)) return false;
        continue;
      }
      ondemand::object object;
      if (item.get_object().get(object) != simdjson::SUCCESS) return false;
      if (!Object(object, *field.message, here, depth + 2,
                  field.access.add_message(message, field.descriptor))) {
        return false;
      }
    } else {
      const std::string_view token = item.raw_json_token();
      if (Scalar(item, field, here, Append::kYes, message)) continue;
      if (refusal.ok() || !Ignores(field, Trim(token))) return false;
      refusal = absl::OkStatus();
    }
  }
  return true;
}

bool Decoder::Map(ondemand::value value, const FieldInfo& field,
                  const Place& place, int depth, Message* message) {
  if (FirstByte(value) != '{') {
    return Wrong(value, place, ExpectedOf(field), depth);
  }
  ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return false;
  const FieldInfo& key_field = field.message->fields()[0];
  const FieldInfo& value_field = field.message->fields()[1];
  for (simdjson::simdjson_result<ondemand::field> member : object) {
    if (!CountItem()) return false;
    ondemand::field pair;
    std::string_view key;
    if (std::move(member).get(pair) != simdjson::SUCCESS ||
        pair.unescaped_key().get(key) != simdjson::SUCCESS) {
      return false;
    }
    Message* const entry =
        field.access.add_message(message, field.descriptor);
    const Place here{.parent = &place, .name = key};
    if (absl::Status status = SetFromText(key_field, key, here.Path(),
                                          Append::kNo, entry);
        !status.ok()) {
      refusal = status;
      return false;
    }
    if (FirstByte(pair.value()) == 'n') {
      return Wrong(pair.value(), here, ExpectedOf(value_field), depth + 1);
    }
    if (!Field(pair.value(), value_field, here, depth + 1, entry)) return false;
  }
  return true;
}

bool Decoder::Scalar(ondemand::value value, const FieldInfo& field,
                     const Place& place, Append append, Message* message) {
  // The common kinds; everything else goes the long way.
  const FieldDescriptor* descriptor = field.descriptor;
  const bool add = append == Append::kYes;
  switch (field.type) {
    case FieldDescriptor::CPPTYPE_STRING:
      if (FirstByte(value) == '"') {
        return Text(value, field, place, append, message);
      }
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double number;
      if (GetDouble(value, &number)) {
        add ? message->GetReflection()->AddDouble(message, descriptor, number)
            : field.access.set_double(message, descriptor, number);
        return true;
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool yes;
      if (value.get_bool().get(yes) == simdjson::SUCCESS) {
        const Reflection& reflection = *message->GetReflection();
        add ? reflection.AddBool(message, descriptor, yes)
            : reflection.SetBool(message, descriptor, yes);
        return true;
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t number;
      if (value.get_int64().get(number) == simdjson::SUCCESS) {
        add ? message->GetReflection()->AddInt64(message, descriptor, number)
            : field.access.set_int64(message, descriptor, number);
        return true;
      }
      break;
    }
    default: {
      int64_t number;
      if (value.get_int64().get(number) == simdjson::SUCCESS &&
          SetInteger(field, number, append, message)) {
        return true;
      }
      break;
    }
  }
  return OddScalar(value, field, place, append, message);
}

bool Decoder::Text(ondemand::value value, const FieldInfo& field,
                   const Place& place, Append append, Message* message) {
  const std::string_view raw = value.raw_json_token();
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) {
    const std::string_view token = Trim(raw);
    if (!HasGoodEscapes(token)) return false;
    return Refuse(token, place, "text without half a surrogate pair (\\uD800)");
  }
  std::string decoded;
  if (field.bytes) {
    // Either alphabet, padded or not.
    if (!absl::Base64Unescape(AbslView(text), &decoded) &&
        !absl::WebSafeBase64Unescape(AbslView(text), &decoded)) {
      return Refuse(Trim(raw), place, ExpectedOf(field));
    }
    text = decoded;
  }
  if (append == Append::kYes) {
    message->GetReflection()->AddString(message, field.descriptor,
                                        std::string(text));
  } else {
    field.access.set_text(message, field.descriptor, text);
  }
  return true;
}

// Numbers in quotes or with a fraction, enums, and all that does not fit.
bool Decoder::OddScalar(ondemand::value value, const FieldInfo& field,
                        const Place& place, Append append,
                        Message* message) {
  const std::string_view token = Trim(value.raw_json_token());
  const char first = token.empty() ? '\0' : token[0];
  const bool numeric = field.type != FieldDescriptor::CPPTYPE_STRING &&
                       field.type != FieldDescriptor::CPPTYPE_BOOL;
  if (first == '"' && numeric) {
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS) {
      if (!HasGoodEscapes(token)) return false;
      return Refuse(token, place, ExpectedOf(field));
    }
    refusal = SetFromText(field, text, place.Path(), append, message);
    return refusal.ok();
  }
  bool whole = false;
  if (numeric && IsJsonNumber(token, &whole) && !whole &&
      field.type != FieldDescriptor::CPPTYPE_DOUBLE) {
    const std::optional<int64_t> number = ParseInteger(token);
    if (number.has_value() &&
        SetInteger(field, *number, append, message)) {
      return true;
    }
  }
  if (field.type == FieldDescriptor::CPPTYPE_FLOAT &&
      IsJsonNumber(token, &whole)) {
    refusal = SetFromText(field, token, place.Path(), append, message);
    return refusal.ok();
  }
  // To the reference, true is 1 here.
  if (field.type == FieldDescriptor::CPPTYPE_ENUM && token == "true" &&
      SetInteger(field, 1, append, message)) {
    return true;
  }
  if (field.type == FieldDescriptor::CPPTYPE_DOUBLE &&
      (token == "true" || token == "false")) {
    refusal = SetFromText(field, token == "true" ? "1" : "0", place.Path(),
                          append, message);
    return refusal.ok();
  }
  return Wrong(value, place, ExpectedOf(field), 0);
}

// A value of the wrong kind: refused, unless it is no JSON at all.
bool Decoder::Wrong(ondemand::value value, const Place& place,
                    std::string_view expected, int depth) {
  std::string_view shown = Trim(value.raw_json_token());
  const char first = FirstByte(value);
  if (first == '{') shown = "{...}";
  if (first == '[') shown = "[...]";
  const std::string kept(shown);
  if (!Skip(value, depth)) return false;
  return Refuse(kept, place, expected);
}

// Reads past a value nobody asked for, to see that it is JSON.
bool Decoder::Skip(ondemand::value value, int depth) {
  if (depth > limits::kJsonDepthMax) return TooDeep();
  const std::string_view token = Trim(value.raw_json_token());
  const char first = token.empty() ? '\0' : token[0];
  if (first == '{') {
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) return false;
    for (simdjson::simdjson_result<ondemand::field> member : object) {
      ondemand::field pair;
      if (std::move(member).get(pair) != simdjson::SUCCESS ||
          !HasGoodEscapes(RawKey(pair.key())) ||
          !Skip(pair.value(), depth + 1)) {
        return false;
      }
    }
    return true;
  }
  if (first == '[') {
    ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) return false;
    for (simdjson::simdjson_result<ondemand::value> element : array) {
      ondemand::value item;
      if (std::move(element).get(item) != simdjson::SUCCESS ||
          !Skip(item, depth + 1)) {
        return false;
      }
    }
    return true;
  }
  // Scalars are left where they are: simdjson goes past what is not read.
  if (first == '"') {
    return token.size() >= 2 && token.back() == '"' &&
           HasGoodEscapes(token.substr(1, token.size() - 2));
  }
  bool whole;
  return token == "true" || token == "false" || token == "null" ||
         IsUnquotedSpecial(token) || IsJsonNumber(token, &whole);
}

// Whether `text` begins and ends as an object does: simdjson stops reading at
// the brace that closes the first one.
bool IsOneObject(std::string_view text) {
  return text.size() >= 2 && text.front() == '{' && text.back() == '}';
}

absl::Status NoObject() {
  return InvalidParameter(
      "The request body must be a JSON object, such as {\"name\": \"x\"}.");
}

enum class Nesting { kOuter, kInner };

absl::Status CheckGiven(uint64_t given, const MessageTable& table) {
  for (const FieldInfo& field : table.fields()) {
    if (field.in_body && (given >> field.index & 1) == 0) {
      return InvalidParameter("Missing value for required parameter '",
                              field.name,
                              "'. Send it in the JSON body of the request.");
    }
  }
  return absl::OkStatus();
}

absl::Status Decode(std::string* body, ondemand::parser& parser,
                    const MessageTable& table, Message* message,
                    Nesting nesting, uint64_t* given);

// A body that is a string: its text is read as the body.
absl::Status DecodeInner(ondemand::document& document,
                         const MessageTable& table, Message* message,
                         uint64_t* given) {
  std::string_view inner;
  if (document.get_string().get(inner) != simdjson::SUCCESS ||
      document.current_location().error() == simdjson::SUCCESS) {
    return absl::OkStatus();
  }
  std::string text;
  text.reserve(inner.size() + kJsonPaddingBytes);
  text.assign(inner);
  ondemand::parser parser;
  return Decode(&text, parser, table, message, Nesting::kInner, given);
}

absl::Status Decode(std::string* body, ondemand::parser& parser,
                    const MessageTable& table, Message* message,
                    Nesting nesting, uint64_t* given) {
  // Some editors put a mark before UTF-8.
  const size_t mark = body->starts_with("\xEF\xBB\xBF") ? 3 : 0;
  const std::string_view text = Trim(std::string_view(*body).substr(mark));
  const bool inner = nesting == Nesting::kInner;
  if (text.empty()) return inner ? NoObject() : absl::OkStatus();
  ondemand::document document;
  if (parser
          .iterate(body->data() + mark, body->size() - mark,
                   body->size() - mark + kJsonPaddingBytes)
          .get(document) != simdjson::SUCCESS) {
    return inner ? NoObject() : absl::OkStatus();
  }
  if (!IsOneObject(text)) {
    if (!inner && text.front() == '"') {
      return DecodeInner(document, table, message, given);
    }
    bool whole;
    if (inner || text.front() == '[' || text == "true" || text == "false" ||
        IsUnquotedSpecial(text) || IsJsonNumber(text, &whole)) {
      return NoObject();
    }
    return absl::OkStatus();
  }
  Decoder decoder;
  ondemand::object object;
  const bool read =
      document.get_object().get(object) == simdjson::SUCCESS &&
      decoder.Object(object, table, Place(), 1, message) &&
      // Nothing may follow.
      document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  if (read) {
    *given = decoder.given;
    return absl::OkStatus();
  }
  if (!decoder.refusal.ok()) return decoder.refusal;
  message->Clear();
  return inner ? NoObject() : absl::OkStatus();
}

// Whether `body` is of a message that comes by the thousand, and plain.
bool ReadPlain(std::string_view body, Message* message) {
  if (message->GetDescriptor() != v1::LogBatchRequest::descriptor()) {
    return false;
  }
  if (ReadPlainLogBatch(body, static_cast<v1::LogBatchRequest*>(message))) {
    return true;
  }
  message->Clear();
  return false;
}

}  // namespace

absl::Status DecodeJson(std::string* body, const MessageTable& table,
                        Message* message) {
  static_assert(kJsonPaddingBytes >= simdjson::SIMDJSON_PADDING);
  body->reserve(body->size() + kJsonPaddingBytes);
  if (ReadPlain(*body, message)) return absl::OkStatus();
  uint64_t given = 0;
  if (body->size() > kKeptParserBytesMax) {
    ondemand::parser parser;
    RETURN_IF_ERROR(
        Decode(body, parser, table, message, Nesting::kOuter, &given));
  } else {
    thread_local ondemand::parser kept_parser;
    RETURN_IF_ERROR(
        Decode(body, kept_parser, table, message, Nesting::kOuter, &given));
  }
  return CheckGiven(given, table);
}

}  // namespace millstream::gateway
