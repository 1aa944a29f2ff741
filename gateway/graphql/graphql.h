// GraphQL as MLflow's UI speaks it: one query in, one answer out, the fields
// coming from the rpcs behind the dispatcher.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_GRAPHQL_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_GRAPHQL_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/call_context.h"
#include "server/dispatcher.h"

namespace millstream::gateway::graphql {

// Answers `body`, {"query": ..., "operationName": ..., "variables": {...}}:
// JSON with "data" and "errors", which is null or a list of sentences. Bounds
// on a query are in base/limits.h. INVALID_PARAMETER_VALUE: no query, or one
// that cannot be read. Thread-safe.
absl::StatusOr<std::string> Answer(std::string_view body,
                                   server::CallContext& context,
                                   server::Dispatcher* dispatcher);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_GRAPHQL_H_
