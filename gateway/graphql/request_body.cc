#include "gateway/graphql/request_body.h"

#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "simdjson.h"

namespace millstream::gateway::graphql {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// REQUIRES: the parser has bounded the depth.
Value FromJson(const element& json) {
  Value value;
  switch (json.type()) {
    case element_type::NULL_VALUE:
      break;
    case element_type::BOOL:
      value.kind = Value::Kind::kBoolean;
      value.text = bool(json) ? "true" : "false";
      break;
    case element_type::INT64:
      value.kind = Value::Kind::kInt;
      value.text = StrCat(int64_t(json));
      break;
    case element_type::UINT64:
      value.kind = Value::Kind::kInt;
      value.text = StrCat(uint64_t(json));
      break;
    case element_type::DOUBLE:
      value.kind = Value::Kind::kFloat;
      value.text = simdjson::minify(json);
      break;
    case element_type::STRING:
      value.kind = Value::Kind::kString;
      value.text = std::string_view(json);
      break;
    case element_type::ARRAY:
      value.kind = Value::Kind::kList;
      for (const element item : simdjson::dom::array(json)) {
        value.items.push_back(FromJson(item));
      }
      break;
    case element_type::OBJECT:
      value.kind = Value::Kind::kObject;
      for (const auto field : simdjson::dom::object(json)) {
        value.fields.emplace_back(std::string(field.key),
                                  FromJson(field.value));
      }
      break;
  }
  return value;
}

}  // namespace

absl::StatusOr<RequestBody> ReadRequestBody(std::string_view body) {
  if (body.size() > limits::kGraphqlBodyBytesMax) {
    return InvalidParameter("A GraphQL request has at most ",
                            limits::kGraphqlBodyBytesMax, " bytes.");
  }
  simdjson::dom::parser parser;
  element json;
  if (parser.allocate(body.size() + 1, limits::kGraphqlNestingMax) !=
          simdjson::SUCCESS ||
      parser.parse(body.data(), body.size()).get(json) != simdjson::SUCCESS ||
      !json.is_object()) {
    return InvalidParameter(
        "The body must be a JSON object with a GraphQL query as its member "
        "'query'.");
  }
  Value members = FromJson(json);
  RequestBody request;
  request.variables.kind = Value::Kind::kObject;
  const Value* query = members.Find("query");
  if (query == nullptr || query->kind != Value::Kind::kString) {
    return InvalidParameter(
        "Missing value for required parameter 'query': a GraphQL query.");
  }
  request.query = query->text;
  const Value* name = members.Find("operationName");
  if (name != nullptr && !name->is_null()) {
    if (name->kind != Value::Kind::kString) {
      return InvalidParameter("Parameter 'operationName' must be a string.");
    }
    request.operation_name = name->text;
  }
  const Value* variables = members.Find("variables");
  if (variables != nullptr && !variables->is_null()) {
    if (variables->kind != Value::Kind::kObject) {
      return InvalidParameter("Parameter 'variables' must be an object.");
    }
    request.variables = *variables;
  }
  return request;
}

}  // namespace millstream::gateway::graphql
