// The schema, asked about itself: what the introspection types' fields hold.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_INTROSPECT_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_INTROSPECT_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/graphql/schema.h"

namespace millstream::gateway::graphql {

// A type as a field has it, wrapped in lists or not.
struct TypeNode {
  const TypeName* type = nullptr;
  // What `type` says of null is left out: this is what is inside of it.
  bool nullable = false;
};
struct EnumValueNode {
  const std::string* name = nullptr;
};
struct SchemaNode {};

// Something that an introspection type describes.
using MetaNode = std::variant<SchemaNode, TypeNode, const Field*, const Input*,
                              EnumValueNode, const DirectiveType*>;

// What a field of an introspection type holds: nothing, a leaf, a node or a
// list of either.
struct MetaValue {
  enum class Kind { kNull, kString, kEnum, kBoolean, kNode, kNodes, kEnums };

  Kind kind = Kind::kNull;
  std::string text;
  bool boolean = false;
  std::vector<MetaNode> nodes;
  std::vector<std::string> texts;
};

// All functions are thread-safe.

// Field `field` of `node`. REQUIRES: the node's type has it.
MetaValue Introspect(const Schema& schema, const MetaNode& node,
                     std::string_view field);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_INTROSPECT_H_
