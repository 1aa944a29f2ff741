// What can be asked over GraphQL: types, fields and arguments, from
// schema.graphql and the language's own introspection types.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_SCHEMA_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_SCHEMA_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "gateway/graphql/ast.h"
#include "google/protobuf/descriptor.h"

namespace millstream::gateway::graphql {

struct Type;

// An argument, or a field of an input type.
struct Input {
  std::string name;
  std::string description;
  TypeName type;
  std::optional<Value> fallback;
  const Type* base = nullptr;  // of `type`, within lists
};

struct Field {
  std::string name;
  std::string description;
  std::vector<Input> arguments;
  TypeName type;
  const Type* base = nullptr;
  // What holds it, in the type's message; null if nothing does.
  const google::protobuf::FieldDescriptor* source = nullptr;

  const Input* FindArgument(std::string_view name) const;
};

struct Type {
  enum class Kind { kScalar, kObject, kInput, kEnum };

  Kind kind = Kind::kScalar;
  std::string name;
  std::string description;
  std::vector<Field> fields;        // kObject
  std::vector<Input> inputs;        // kInput
  std::vector<std::string> values;  // kEnum
  // Its own name as a type.
  TypeName self;
  // The message whose fields a kObject shows; null if it shows none's.
  const google::protobuf::Descriptor* message = nullptr;

  bool is_leaf() const { return kind == Kind::kScalar || kind == Kind::kEnum; }
  bool is_input() const { return kind != Kind::kObject; }
  const Field* FindField(std::string_view name) const;
  const Input* FindInput(std::string_view name) const;
  bool HasValue(std::string_view name) const;
};

struct DirectiveType {
  std::string name;
  std::string description;
  std::vector<Input> arguments;
  std::vector<std::string> locations;

  bool AllowedAt(std::string_view location) const;
  const Input* FindArgument(std::string_view name) const;
};

// Immutable, so thread-safe.
class Schema {
 public:
  // The schema of this server; lives for ever. Its types are bound to messages
  // of proto/ from the answers of the root fields' rpcs on.
  static const Schema& Get();

  // Reads a schema, to which the introspection types are added.
  // INVALID_ARGUMENT if it makes no sense.
  static absl::StatusOr<std::unique_ptr<Schema>> Parse(std::string_view text);

  // Null if there is none.
  const Type* FindType(std::string_view name) const;
  const DirectiveType* FindDirective(std::string_view name) const;
  // Type that an operation starts from; null if there is none.
  const Type* Root(Operation::Kind kind) const;
  // `__schema` and `__type`, which every query may ask for.
  const Field* FindMetaField(std::string_view name) const;

  // In the order of the text.
  const std::vector<std::unique_ptr<Type>>& types() const { return types_; }
  const std::vector<DirectiveType>& directives() const { return directives_; }

  // Lets `type` show `message`, and the types of its fields theirs.
  void Bind(std::string_view type, const google::protobuf::Descriptor* message);

 private:
  friend class SchemaParser;

  Type* Find(std::string_view name);
  absl::Status Resolve();
  absl::Status ResolveInputs(std::vector<Input>* inputs);
  void BindType(Type* type, const google::protobuf::Descriptor* message);

  std::vector<std::unique_ptr<Type>> types_;
  absl::flat_hash_map<std::string, Type*> by_name_;
  std::vector<DirectiveType> directives_;
  std::vector<Field> meta_fields_;
};

// "runId" becomes "run_id".
std::string SnakeCase(std::string_view camel_case);

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_SCHEMA_H_
