// Which rpcs stand behind the schema's outermost fields.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_ROOT_FIELDS_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_ROOT_FIELDS_H_

#include <span>
#include <string_view>

#include "google/protobuf/descriptor.h"

namespace millstream::gateway::graphql {

struct RootField {
  // "Query" or "Mutation".
  std::string_view type;
  std::string_view name;
  // Below package millstream.v1: "Service.Method".
  std::string_view method;

  // REQUIRES: the method exists; a test sees to it.
  const google::protobuf::MethodDescriptor* rpc() const;
};

// All functions are thread-safe.

std::span<const RootField> RootFields();
// Null if there is none.
const RootField* FindRootField(std::string_view type, std::string_view name);

// A method by "Service.Method"; null if there is none.
const google::protobuf::MethodDescriptor* FindRpc(std::string_view method);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_ROOT_FIELDS_H_
