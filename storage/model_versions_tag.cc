#include "storage/model_versions_tag.h"

#include "base/python_json.h"
#include "base/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"

namespace millstream::storage {
namespace {

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

bool ListsModelVersion(std::string_view value, std::string_view name,
                       int64_t version) {
  return Inspect(value, name, version) == List::kWith;
}

std::string AddModelVersion(std::string_view value, std::string_view name,
                            int64_t version) {
  std::string entry = "{\"name\": ";
  AppendPythonJsonString(name, &entry);
  StrAppend(&entry, ", \"version\": ", version, "}");
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

}  // namespace millstream::storage
