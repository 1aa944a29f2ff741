#include "gateway/graphql/introspect.h"

#include <utility>

#include "gateway/json/json_writer.h"

namespace millstream::gateway::graphql {
namespace {

MetaValue String(std::string text) {
  MetaValue value;
  value.kind = MetaValue::Kind::kString;
  value.text = std::move(text);
  return value;
}

MetaValue StringOrNull(const std::string& text) {
  return text.empty() ? MetaValue() : String(text);
}

MetaValue Enum(std::string text) {
  MetaValue value = String(std::move(text));
  value.kind = MetaValue::Kind::kEnum;
  return value;
}

MetaValue No() {
  MetaValue value;
  value.kind = MetaValue::Kind::kBoolean;
  return value;
}

MetaValue Node(MetaNode node) {
  MetaValue value;
  value.kind = MetaValue::Kind::kNode;
  value.nodes.push_back(std::move(node));
  return value;
}

MetaValue NamedType(const Type* type) {
  return type == nullptr ? MetaValue() : Node(TypeNode{&type->self});
}

MetaValue Nodes() {
  MetaValue value;
  value.kind = MetaValue::Kind::kNodes;
  return value;
}

template <typename T>
MetaValue Pointers(const std::vector<T>& list) {
  MetaValue value = Nodes();
  for (const T& item : list) value.nodes.push_back(&item);
  return value;
}

// A default as the language writes it.
std::string Print(const Value& value) {
  std::string text;
  switch (value.kind) {
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kString:
      WriteJsonString(value.text, &text);
      return text;
    case Value::Kind::kList:
      for (const Value& item : value.items) {
        text += (text.empty() ? "" : ", ") + Print(item);
      }
      return "[" + text + "]";
    case Value::Kind::kObject:
      for (const auto& [name, field] : value.fields) {
        text += (text.empty() ? "" : ", ") + name + ": " + Print(field);
      }
      return "{" + text + "}";
    default:
      return value.text;
  }
}

MetaValue OfSchema(const Schema& schema, std::string_view field) {
  if (field == "queryType") {
    return NamedType(schema.Root(Operation::Kind::kQuery));
  }
  if (field == "mutationType") {
    return NamedType(schema.Root(Operation::Kind::kMutation));
  }
  if (field == "directives") return Pointers(schema.directives());
  if (field != "types") return MetaValue();
  MetaValue types = Nodes();
  for (const auto& type : schema.types()) {
    types.nodes.push_back(TypeNode{&type->self});
  }
  return types;
}

MetaValue OfNamedType(const Type& type, std::string_view field) {
  using Kind = Type::Kind;
  if (field == "kind") {
    return Enum(type.kind == Kind::kScalar   ? "SCALAR"
                : type.kind == Kind::kObject ? "OBJECT"
                : type.kind == Kind::kInput  ? "INPUT_OBJECT"
                                             : "ENUM");
  }
  if (field == "name") return String(type.name);
  if (field == "description") return StringOrNull(type.description);
  if (type.kind == Kind::kObject) {
    if (field == "fields") return Pointers(type.fields);
    if (field == "interfaces") return Nodes();
  }
  if (type.kind == Kind::kInput && field == "inputFields") {
    return Pointers(type.inputs);
  }
  if (type.kind == Kind::kEnum && field == "enumValues") {
    MetaValue values = Nodes();
    for (const std::string& name : type.values) {
      values.nodes.push_back(EnumValueNode{&name});
    }
    return values;
  }
  return MetaValue();
}

MetaValue OfType(const Schema& schema, const TypeNode& node,
                 std::string_view field) {
  if (node.type->non_null && !node.nullable) {
    if (field == "kind") return Enum("NON_NULL");
    return field == "ofType" ? Node(TypeNode{node.type, true}) : MetaValue();
  }
  if (node.type->item != nullptr) {
    if (field == "kind") return Enum("LIST");
    return field == "ofType" ? Node(TypeNode{node.type->item.get()})
                             : MetaValue();
  }
  const Type* type = schema.FindType(node.type->name);
  return type == nullptr ? MetaValue() : OfNamedType(*type, field);
}

MetaValue OfField(const Field& of, std::string_view field) {
  if (field == "name") return String(of.name);
  if (field == "description") return StringOrNull(of.description);
  if (field == "args") return Pointers(of.arguments);
  if (field == "type") return Node(TypeNode{&of.type});
  return field == "isDeprecated" ? No() : MetaValue();
}

MetaValue OfInput(const Input& of, std::string_view field) {
  if (field == "name") return String(of.name);
  if (field == "description") return StringOrNull(of.description);
  if (field == "type") return Node(TypeNode{&of.type});
  if (field == "defaultValue" && of.fallback.has_value()) {
    return String(Print(*of.fallback));
  }
  return field == "isDeprecated" ? No() : MetaValue();
}

MetaValue OfDirective(const DirectiveType& of, std::string_view field) {
  if (field == "name") return String(of.name);
  if (field == "description") return StringOrNull(of.description);
  if (field == "args") return Pointers(of.arguments);
  if (field == "isRepeatable") return No();
  MetaValue locations;
  if (field == "locations") {
    locations.kind = MetaValue::Kind::kEnums;
    locations.texts = of.locations;
  }
  return locations;
}

}  // namespace

MetaValue Introspect(const Schema& schema, const MetaNode& node,
                     std::string_view field) {
  if (std::holds_alternative<SchemaNode>(node)) {
    return OfSchema(schema, field);
  }
  if (const TypeNode* type = std::get_if<TypeNode>(&node)) {
    return OfType(schema, *type, field);
  }
  if (const Field* const* of = std::get_if<const Field*>(&node)) {
    return OfField(**of, field);
  }
  if (const Input* const* of = std::get_if<const Input*>(&node)) {
    return OfInput(**of, field);
  }
  if (const auto* of = std::get_if<const DirectiveType*>(&node)) {
    return OfDirective(**of, field);
  }
  const EnumValueNode& value = std::get<EnumValueNode>(node);
  if (field == "name") return String(*value.name);
  return field == "isDeprecated" ? No() : MetaValue();
}

}  // namespace millstream::gateway::graphql
