#include "server/model_json.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/python_json.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::server {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

// Levels of a document; the deepest known flavors have six.
constexpr size_t kDepthMax = 64;

// The shortest text that reads back, as Python's repr: "0.1", "1.0", "1e-05".
void AppendDouble(double value, std::string* out) {
  const double size = std::fabs(value);
  const bool fixed = size == 0 || (size >= 1e-4 && size < 1e16);
  char text[64];
  const auto result = std::to_chars(
      text, text + sizeof(text), value,
      fixed ? std::chars_format::fixed : std::chars_format::scientific);
  const std::string_view digits(text, result.ptr - text);
  out->append(digits);
  if (fixed && digits.find('.') == std::string_view::npos) *out += ".0";
}

void AppendValue(const element& value, std::string* out);

// `without`: a key to leave out; empty for none.
void AppendObject(const object& members, std::string_view without,
                  std::string* out) {
  *out += '{';
  const char* separator = "";
  for (const auto& [key, value] : members) {
    if (!without.empty() && key == without) continue;
    *out += separator;
    separator = ", ";
    AppendPythonJsonString(key, out);
    *out += ": ";
    AppendValue(value, out);
  }
  *out += '}';
}

// The parser has bounded the depth.
void AppendValue(const element& value, std::string* out) {
  switch (value.type()) {
    case element_type::ARRAY: {
      *out += '[';
      const char* separator = "";
      const simdjson::dom::array items = value.get_array().value_unsafe();
      for (const element& item : items) {
        *out += separator;
        separator = ", ";
        AppendValue(item, out);
      }
      *out += ']';
      break;
    }
    case element_type::OBJECT:
      AppendObject(value.get_object().value_unsafe(), "", out);
      break;
    case element_type::INT64:
      StrAppend(out, value.get_int64().value_unsafe());
      break;
    case element_type::UINT64:
      StrAppend(out, value.get_uint64().value_unsafe());
      break;
    case element_type::DOUBLE:
      AppendDouble(value.get_double().value_unsafe(), out);
      break;
    case element_type::STRING:
      AppendPythonJsonString(value.get_string().value_unsafe(), out);
      break;
    case element_type::BOOL:
      *out += value.get_bool().value_unsafe() ? "true" : "false";
      break;
    case element_type::NULL_VALUE:
      *out += "null";
      break;
  }
}

// The parsed document belongs to `parser`.
bool Parse(std::string_view json, simdjson::dom::parser* parser,
           element* document) {
  if (parser->allocate(json.size() + 1, kDepthMax) != simdjson::SUCCESS) {
    return false;
  }
  return parser->parse(json.data(), json.size()).get(*document) ==
         simdjson::SUCCESS;
}

absl::Status AppendText(const object& model, const char* key,
                        std::string* entry) {
  std::string_view text;
  if (model[key].get_string().get(text) != simdjson::SUCCESS) {
    return InvalidParameter("'model_json' must have a text '", key, "'.");
  }
  StrAppend(entry, "\"", key, "\": ");
  AppendPythonJsonString(text, entry);
  *entry += ", ";
  return absl::OkStatus();
}

void AppendFlavors(const object& flavors, std::string* entry) {
  *entry += '{';
  const char* separator = "";
  for (const auto& [name, flavor] : flavors) {
    *entry += separator;
    separator = ", ";
    AppendPythonJsonString(name, entry);
    *entry += ": ";
    object members;
    if (flavor.get_object().get(members) == simdjson::SUCCESS) {
      AppendObject(members, "config", entry);
    } else {
      AppendValue(flavor, entry);
    }
  }
  *entry += '}';
}

}  // namespace

absl::StatusOr<std::string> LoggedModelEntry(std::string_view model_json) {
  simdjson::dom::parser parser;
  element document;
  object model;
  if (!Parse(model_json, &parser, &document) ||
      document.get_object().get(model) != simdjson::SUCCESS) {
    return InvalidParameter(
        "'model_json' must be a JSON object: the content of an MLmodel file.");
  }
  std::string entry = "{";
  RETURN_IF_ERROR(AppendText(model, "run_id", &entry));
  RETURN_IF_ERROR(AppendText(model, "artifact_path", &entry));
  RETURN_IF_ERROR(AppendText(model, "utc_time_created", &entry));
  entry += "\"model_uuid\": ";
  element uuid;
  if (model["model_uuid"].get(uuid) == simdjson::SUCCESS) {
    AppendValue(uuid, &entry);
  } else {
    entry += "null";
  }
  object flavors;
  if (model["flavors"].get_object().get(flavors) != simdjson::SUCCESS) {
    return InvalidParameter("'model_json' must have an object 'flavors'.");
  }
  entry += ", \"flavors\": ";
  AppendFlavors(flavors, &entry);
  entry += '}';
  return entry;
}

absl::StatusOr<std::string> AppendEntry(std::optional<std::string_view> list,
                                        std::string_view entry) {
  if (!list.has_value()) return StrCat("[", entry, "]");
  simdjson::dom::parser parser;
  element document;
  simdjson::dom::array items;
  if (!Parse(*list, &parser, &document) ||
      document.get_array().get(items) != simdjson::SUCCESS) {
    return InvalidParameter("The tag '", kLoggedModelsTag,
                            "' of this run is no JSON list; delete the tag.");
  }
  const size_t end = list->rfind(']');
  std::string longer = StrCat(list->substr(0, end),
                              items.size() == 0 ? "" : ", ", entry, "]");
  if (longer.size() > limits::kLoggedModelsBytesMax) {
    return InvalidParameter("The run has logged too many models: its tag '",
                            kLoggedModelsTag, "' would be longer than ",
                            limits::kLoggedModelsBytesMax, " bytes.");
  }
  return longer;
}

}  // namespace millstream::server
