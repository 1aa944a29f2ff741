#include "gateway/graphql/graphql.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "gateway/graphql/ast.h"
#include "gateway/graphql/coerce.h"
#include "gateway/graphql/execute.h"
#include "gateway/graphql/limits_check.h"
#include "gateway/graphql/parser.h"
#include "gateway/graphql/request_body.h"
#include "gateway/graphql/schema.h"
#include "gateway/graphql/validate.h"
#include "gateway/json/json_writer.h"

namespace millstream::gateway::graphql {
namespace {

std::string Reply(std::string_view data,
                  const std::vector<std::string>& errors) {
  std::string reply = StrCat("{\"data\":", data, ",\"errors\":");
  if (errors.empty()) {
    reply += "null}";
    return reply;
  }
  for (size_t i = 0; i < errors.size(); ++i) {
    reply += i == 0 ? '[' : ',';
    WriteJsonString(errors[i], &reply);
  }
  reply += "]}";
  return reply;
}

std::string Refusal(std::string error) {
  return Reply("null", {std::move(error)});
}

// The operation to run; null, and why in *problem, if there is no one.
const Operation* Choose(const Document& document,
                        const std::optional<std::string>& name,
                        std::string* problem) {
  if (!name.has_value()) {
    if (document.operations.size() == 1) return &document.operations[0];
    *problem = document.operations.empty()
                   ? "The query has no operation."
                   : "Must provide operation name if query contains multiple "
                     "operations.";
    return nullptr;
  }
  for (const Operation& operation : document.operations) {
    if (!name->empty() && operation.name == *name) return &operation;
  }
  *problem = StrCat("Unknown operation named '", name->substr(0, 100), "'.");
  return nullptr;
}

}  // namespace

absl::StatusOr<std::string> Answer(std::string_view body,
                                   server::CallContext& context,
                                   server::Dispatcher* dispatcher) {
  ASSIGN_OR_RETURN(const RequestBody request, ReadRequestBody(body));
  ASSIGN_OR_RETURN(const Document document, ParseDocument(request.query));
  if (std::string problem = CheckLimits(document); !problem.empty()) {
    return Refusal(std::move(problem));
  }
  const Schema& schema = Schema::Get();
  std::vector<std::string> errors = Validate(schema, document);
  if (!errors.empty()) return Reply("null", errors);
  std::string problem;
  const Operation* operation =
      Choose(document, request.operation_name, &problem);
  if (operation == nullptr) return Refusal(std::move(problem));
  const Variables variables =
      CoerceVariables(schema, *operation, request.variables, &errors);
  if (!errors.empty()) return Reply("null", errors);
  if (schema.Root(operation->kind) == nullptr) {
    return Refusal("Subscriptions are not supported.");
  }
  const std::string data = Execute(schema, document, *operation, variables,
                                   context, dispatcher, &errors);
  return Reply(data, errors);
}

}  // namespace millstream::gateway::graphql
