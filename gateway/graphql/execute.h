// Answers a valid query: fields from messages, messages from rpcs.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_EXECUTE_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_EXECUTE_H_

#include <string>
#include <vector>

#include "gateway/graphql/ast.h"
#include "gateway/graphql/coerce.h"
#include "gateway/graphql/schema.h"
#include "server/call_context.h"
#include "server/dispatcher.h"

namespace millstream::gateway::graphql {

// Writes the answer's data as JSON, and what went wrong, a sentence each, to
// *errors: what could not be answered is null in the data. REQUIRES:
// Validate() found nothing, `operation` is of `document`, its kind has a root.
// Thread-safe.
std::string Execute(const Schema& schema, const Document& document,
                    const Operation& operation, const Variables& variables,
                    server::CallContext& context,
                    server::Dispatcher* dispatcher,
                    std::vector<std::string>* errors);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_EXECUTE_H_
