#include "aws/json.h"

#include <simdjson.h>

namespace millstream::aws {

absl::StatusOr<std::map<std::string, std::string, std::less<>>> ParseJsonObject(
    std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get_object().get(object) !=
      simdjson::SUCCESS) {
    return absl::InvalidArgumentError("the answer is no JSON object");
  }
  std::map<std::string, std::string, std::less<>> members;
  for (const auto& [name, value] : object) {
    std::string_view text;
    if (value.get_string().get(text) == simdjson::SUCCESS) {
      members.emplace(name, text);
    } else if (value.is_number() || value.is_bool()) {
      members.emplace(name, simdjson::minify(value));
    }
  }
  return members;
}

}  // namespace millstream::aws
