// The schema, as text. Names are MLflow's.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_SCHEMA_TEXT_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_SCHEMA_TEXT_H_

namespace millstream::gateway::graphql {

// What this server answers.
extern const char kSchemaText[];
// Types of the language itself (October 2021, "Introspection").
extern const char kIntrospectionText[];

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_SCHEMA_TEXT_H_
