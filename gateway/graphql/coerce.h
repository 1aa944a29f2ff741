// Values from queries and variables as the types of the schema want them.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_COERCE_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_COERCE_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "gateway/graphql/ast.h"
#include "gateway/graphql/schema.h"

namespace millstream::gateway::graphql {

// All functions are thread-safe.

using Variables = absl::flat_hash_map<std::string, Value>;

// A literal `value` for a scalar or enum: null if it fits, else what is wrong.
// REQUIRES: neither null nor a variable.
std::string LiteralProblem(const Type& type, const Value& value);

// The operation's variables out of `given` (a kObject; members that are no
// variables are ignored) and their defaults. Appends what is wrong to
// *errors, a sentence each.
Variables CoerceVariables(const Schema& schema, const Operation& operation,
                          const Value& given, std::vector<std::string>* errors);

// The arguments of a field, in place of their variables what these stand for.
// Arguments that are not there are left out; so are those whose variable is
// not given. REQUIRES: the document is valid.
std::vector<std::pair<std::string, Value>> CoerceArguments(
    const Field& field, const std::vector<Argument>& arguments,
    const Variables& variables);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_COERCE_H_
