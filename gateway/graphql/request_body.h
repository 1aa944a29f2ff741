// The JSON that carries a GraphQL query.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_REQUEST_BODY_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_REQUEST_BODY_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "gateway/graphql/ast.h"

namespace millstream::gateway::graphql {

struct RequestBody {
  std::string query;
  // Absent if null or not given.
  std::optional<std::string> operation_name;
  // A kObject; empty if null or not given.
  Value variables;
};

// INVALID_PARAMETER_VALUE: no JSON object, no query, members of the wrong
// type, larger than limits::kGraphqlBodyBytesMax, or nested deeper than
// limits::kGraphqlNestingMax. Thread-safe.
absl::StatusOr<RequestBody> ReadRequestBody(std::string_view body);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_REQUEST_BODY_H_
