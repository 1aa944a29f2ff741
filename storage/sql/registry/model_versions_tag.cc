#include "storage/sql/registry/model_versions_tag.h"

#include "base/str_cat.h"
#include "base/text.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

namespace millstream::storage::sql {
namespace {

// As Python's json.dumps writes it, whose clients compare the tag as text:
// ASCII only.
std::string QuoteJson(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string json = "\"";
  auto unit = [&json](uint32_t u) {
    StrAppend(&json, "\\u");
    for (int shift = 12; shift >= 0; shift -= 4) {
      json += kHex[(u >> shift) & 15];
    }
  };
  while (!text.empty()) {
    const char32_t c = TakeCharacter(&text);
    switch (c) {
      case '"': json += "\\\""; continue;
      case '\\': json += "\\\\"; continue;
      case '\n': json += "\\n"; continue;
      case '\r': json += "\\r"; continue;
      case '\t': json += "\\t"; continue;
      case '\f': json += "\\f"; continue;
      case '\b': json += "\\b"; continue;
      default: break;
    }
    if (c >= 0x20 && c < 0x7F) {
      json += static_cast<char>(c);
    } else if (c < 0x10000) {
      unit(c);
    } else {
      unit(0xD800 + ((c - 0x10000) >> 10));
      unit(0xDC00 + ((c - 0x10000) & 0x3FF));
    }
  }
  json += '"';
  return json;
}

enum class List { kNone, kEmpty, kWithout, kWith };

// What `value` is with respect to the version.
List Inspect(std::string_view value, std::string_view name, int64_t version) {
  google::protobuf::ListValue list;
  if (!value.starts_with('[') ||
      !google::protobuf::util::JsonStringToMessage(std::string(value), &list)
           .ok()) {
    return List::kNone;
  }
  for (const google::protobuf::Value& element : list.values()) {
    const auto& members = element.struct_value().fields();
    const auto its_name = members.find("name");
    const auto its_version = members.find("version");
    if (its_name != members.end() && its_version != members.end() &&
        its_name->second.string_value() == name &&
        its_version->second.number_value() == static_cast<double>(version)) {
      return List::kWith;
    }
  }
  return list.values().empty() ? List::kEmpty : List::kWithout;
}

}  // namespace

std::string AddModelVersion(std::string_view value, std::string_view name,
                            int64_t version) {
  const std::string entry = StrCat("{\"name\": ", QuoteJson(name),
                                   ", \"version\": ", version, "}");
  switch (Inspect(value, name, version)) {
    case List::kWith:
      return std::string(value);
    case List::kWithout: {
      const size_t end = value.rfind(']');
      return StrCat(value.substr(0, end), ", ", entry, "]");
    }
    case List::kEmpty:
    case List::kNone:
      break;
  }
  return StrCat("[", entry, "]");
}

}  // namespace millstream::storage::sql
