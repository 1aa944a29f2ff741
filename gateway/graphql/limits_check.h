// Bounds on how much one query may ask for, checked before anything is looked
// up.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_LIMITS_CHECK_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_LIMITS_CHECK_H_

#include <string>

#include "gateway/graphql/ast.h"

namespace millstream::gateway::graphql {

// What bound `document` crosses, as a sentence; empty if none. Fragments count
// where they are spread. Takes time in proportion to
// limits::kGraphqlSelectionsMax, whatever the document. Thread-safe.
std::string CheckLimits(const Document& document);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_LIMITS_CHECK_H_
