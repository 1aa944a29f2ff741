// Whether a query makes sense for the schema: the rules of the GraphQL
// specification (October 2021, "Validation").
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_VALIDATE_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_VALIDATE_H_

#include <string>
#include <vector>

#include "gateway/graphql/ast.h"
#include "gateway/graphql/schema.h"

namespace millstream::gateway::graphql {

// What is wrong with `document`, a sentence each; empty if nothing is. No more
// than limits::kGraphqlErrorsMax. REQUIRES: CheckLimits(document) is content.
// Thread-safe.
std::vector<std::string> Validate(const Schema& schema,
                                  const Document& document);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_VALIDATE_H_
