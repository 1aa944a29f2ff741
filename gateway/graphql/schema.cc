#include "gateway/graphql/schema.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "gateway/graphql/parser.h"
#include "gateway/graphql/root_fields.h"
#include "gateway/graphql/schema_text.h"

namespace millstream::gateway::graphql {
namespace {

// Holds in the text what every query may ask for; no type of its own.
constexpr std::string_view kMetaType = "__Meta";

template <typename T>
const T* FindNamed(const std::vector<T>& list, std::string_view name) {
  for (const T& item : list) {
    if (item.name == name) return &item;
  }
  return nullptr;
}

}  // namespace

// Reads the definition language as far as our schema uses it.
class SchemaParser : public ParserBase {
 public:
  SchemaParser(std::string_view text, Schema* schema)
      : ParserBase(text), schema_(schema) {}

  absl::Status Parse() {
    RETURN_IF_ERROR(Start());
    while (!AtEnd()) {
      ASSIGN_OR_RETURN(std::string description, Description());
      if (AtName("directive")) {
        RETURN_IF_ERROR(ParseDirective(std::move(description)));
      } else {
        RETURN_IF_ERROR(ParseType(std::move(description)));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::string> Description() {
    std::string description;
    if (token().kind == Token::Kind::kString) {
      description = token().text;
      RETURN_IF_ERROR(Advance());
    }
    return description;
  }

  absl::Status ParseType(std::string description) {
    auto type = std::make_unique<Type>();
    type->description = std::move(description);
    type->kind = AtName("type")    ? Type::Kind::kObject
                 : AtName("input") ? Type::Kind::kInput
                 : AtName("enum")  ? Type::Kind::kEnum
                                   : Type::Kind::kScalar;
    if (type->kind == Type::Kind::kScalar && !AtName("scalar")) {
      return Unexpected("a definition");
    }
    RETURN_IF_ERROR(Advance());
    ASSIGN_OR_RETURN(type->name, Name());
    type->self.name = type->name;
    if (type->kind == Type::Kind::kInput) {
      ASSIGN_OR_RETURN(type->inputs, Inputs("{", "}"));
    } else if (type->kind != Type::Kind::kScalar) {
      RETURN_IF_ERROR(Expect("{"));
      while (!At("}")) RETURN_IF_ERROR(ParseMember(type.get()));
      RETURN_IF_ERROR(Advance());
    }
    if (type->name == kMetaType) {
      schema_->meta_fields_ = std::move(type->fields);
      return absl::OkStatus();
    }
    schema_->by_name_[type->name] = type.get();
    schema_->types_.push_back(std::move(type));
    return absl::OkStatus();
  }

  absl::Status ParseMember(Type* type) {
    ASSIGN_OR_RETURN(std::string description, Description());
    ASSIGN_OR_RETURN(std::string name, Name());
    if (type->kind == Type::Kind::kEnum) {
      type->values.push_back(std::move(name));
      return absl::OkStatus();
    }
    Field field;
    field.name = std::move(name);
    field.description = std::move(description);
    if (At("(")) {
      ASSIGN_OR_RETURN(field.arguments, Inputs("(", ")"));
    }
    RETURN_IF_ERROR(Expect(":"));
    ASSIGN_OR_RETURN(field.type, ParserBase::ParseType());
    type->fields.push_back(std::move(field));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Input>> Inputs(std::string_view open,
                                            std::string_view close) {
    RETURN_IF_ERROR(Expect(open));
    std::vector<Input> inputs;
    while (!At(close)) {
      Input input;
      ASSIGN_OR_RETURN(input.description, Description());
      ASSIGN_OR_RETURN(input.name, Name());
      RETURN_IF_ERROR(Expect(":"));
      ASSIGN_OR_RETURN(input.type, ParserBase::ParseType());
      if (At("=")) {
        RETURN_IF_ERROR(Advance());
        ASSIGN_OR_RETURN(input.fallback, ParseValue(true));
      }
      inputs.push_back(std::move(input));
    }
    RETURN_IF_ERROR(Advance());
    return inputs;
  }

  absl::Status ParseDirective(std::string description) {
    RETURN_IF_ERROR(Advance());
    RETURN_IF_ERROR(Expect("@"));
    DirectiveType directive;
    directive.description = std::move(description);
    ASSIGN_OR_RETURN(directive.name, Name());
    if (At("(")) {
      ASSIGN_OR_RETURN(directive.arguments, Inputs("(", ")"));
    }
    if (!AtName("on")) return Unexpected("'on'");
    do {
      RETURN_IF_ERROR(Advance());
      ASSIGN_OR_RETURN(std::string location, Name());
      directive.locations.push_back(std::move(location));
    } while (At("|"));
    schema_->directives_.push_back(std::move(directive));
    return absl::OkStatus();
  }

  Schema* const schema_;
};

const Input* Field::FindArgument(std::string_view name) const {
  return FindNamed(arguments, name);
}
const Field* Type::FindField(std::string_view name) const {
  return FindNamed(fields, name);
}
const Input* Type::FindInput(std::string_view name) const {
  return FindNamed(inputs, name);
}
bool Type::HasValue(std::string_view name) const {
  return std::find(values.begin(), values.end(), name) != values.end();
}
bool DirectiveType::AllowedAt(std::string_view location) const {
  return std::find(locations.begin(), locations.end(), location) !=
         locations.end();
}
const Input* DirectiveType::FindArgument(std::string_view name) const {
  return FindNamed(arguments, name);
}

const Schema& Schema::Get() {
  static const Schema* const schema = [] {
    absl::StatusOr<std::unique_ptr<Schema>> parsed = Parse(kSchemaText);
    if (!parsed.ok()) {
      LogError("GraphQL schema: ", parsed.status().ToString());
      return new Schema();
    }
    for (const RootField& field : RootFields()) {
      const Type* root = (*parsed)->FindType(field.type);
      const Field* at = root == nullptr ? nullptr : root->FindField(field.name);
      if (at != nullptr) {
        (*parsed)->Bind(at->type.base(), field.rpc()->output_type());
      }
    }
    return parsed->release();
  }();
  return *schema;
}

absl::StatusOr<std::unique_ptr<Schema>> Schema::Parse(std::string_view text) {
  auto schema = std::make_unique<Schema>();
  RETURN_IF_ERROR(SchemaParser(text, schema.get()).Parse());
  RETURN_IF_ERROR(SchemaParser(kIntrospectionText, schema.get()).Parse());
  RETURN_IF_ERROR(schema->Resolve());
  return schema;
}

absl::Status Schema::ResolveInputs(std::vector<Input>* inputs) {
  for (Input& input : *inputs) {
    input.base = FindType(input.type.base());
    if (input.base == nullptr || !input.base->is_input()) {
      return InvalidParameter("GraphQL schema: no input type ",
                              input.type.base());
    }
  }
  return absl::OkStatus();
}

absl::Status Schema::Resolve() {
  const auto resolve = [this](std::vector<Field>* fields) -> absl::Status {
    for (Field& field : *fields) {
      field.base = FindType(field.type.base());
      if (field.base == nullptr || field.base->kind == Type::Kind::kInput) {
        return InvalidParameter("GraphQL schema: no type ", field.type.base());
      }
      RETURN_IF_ERROR(ResolveInputs(&field.arguments));
    }
    return absl::OkStatus();
  };
  for (const auto& type : types_) {
    RETURN_IF_ERROR(resolve(&type->fields));
    RETURN_IF_ERROR(ResolveInputs(&type->inputs));
  }
  for (DirectiveType& directive : directives_) {
    RETURN_IF_ERROR(ResolveInputs(&directive.arguments));
  }
  return resolve(&meta_fields_);
}

const Type* Schema::FindType(std::string_view name) const {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : it->second;
}

Type* Schema::Find(std::string_view name) {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : it->second;
}

const DirectiveType* Schema::FindDirective(std::string_view name) const {
  return FindNamed(directives_, name);
}

const Type* Schema::Root(Operation::Kind kind) const {
  switch (kind) {
    case Operation::Kind::kQuery:
      return FindType("Query");
    case Operation::Kind::kMutation:
      return FindType("Mutation");
    case Operation::Kind::kSubscription:
      return nullptr;
  }
  return nullptr;
}

const Field* Schema::FindMetaField(std::string_view name) const {
  return FindNamed(meta_fields_, name);
}

void Schema::Bind(std::string_view type,
                  const google::protobuf::Descriptor* message) {
  if (Type* found = Find(type)) BindType(found, message);
}

void Schema::BindType(Type* type, const google::protobuf::Descriptor* message) {
  if (type->message != nullptr) return;
  type->message = message;
  for (Field& field : type->fields) {
    field.source = message->FindFieldByName(SnakeCase(field.name));
    if (field.source != nullptr && field.source->message_type() != nullptr) {
      Bind(field.type.base(), field.source->message_type());
    }
  }
}

std::string SnakeCase(std::string_view camel_case) {
  std::string snake;
  for (const char c : camel_case) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c))) snake += '_';
    snake += absl::ascii_tolower(static_cast<unsigned char>(c));
  }
  return snake;
}

}  // namespace millstream::gateway::graphql
