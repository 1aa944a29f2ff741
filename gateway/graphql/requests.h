// From an argument `input` to the request of an rpc.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_REQUESTS_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_REQUESTS_H_

#include "absl/status/status.h"
#include "gateway/graphql/ast.h"
#include "google/protobuf/message.h"

namespace millstream::gateway::graphql {

// All functions are thread-safe.

// Sets the fields of `request` that `input`, a coerced kObject, has.
// INVALID_PARAMETER_VALUE: a null in a list, or a field that cannot be asked
// for here.
absl::Status FillRequest(const Value& input,
                         google::protobuf::Message* request);

// Whether the answer to `request` is known to be empty: charts ask for the
// history of no runs, which the rpc refuses.
bool IsAnsweredByNothing(const google::protobuf::Message& request);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_REQUESTS_H_
