// A GraphQL document as data. Plain values, made by parser.h.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_AST_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_AST_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millstream::gateway::graphql {

struct ObjectField;

// A value, as written in a query or given as a variable.
struct Value {
  enum class Kind {
    kNull,
    kBoolean,
    kInt,
    kFloat,
    kString,
    kEnum,      // a bare name; only in queries
    kVariable,  // only in queries
    kList,
    kObject,
  };

  Kind kind = Kind::kNull;
  // "true" or "false", the number or name as written, the string's content,
  // or the variable's name without "$".
  std::string text;
  std::vector<Value> items;         // kList
  std::vector<ObjectField> fields;  // kObject

  bool is_null() const { return kind == Kind::kNull; }
  // The field called `name` of a kObject; null if there is none.
  const Value* Find(std::string_view name) const;
};

struct ObjectField {
  ObjectField(std::string field_name, Value field_value)
      : name(std::move(field_name)), value(std::move(field_value)) {}

  std::string name;
  Value value;
};

inline const Value* Value::Find(std::string_view name) const {
  for (const ObjectField& field : fields) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

// "Name", "[Type]", and either with "!".
struct TypeName {
  std::string name;                // empty for a list
  std::shared_ptr<TypeName> item;  // of a list; immutable, so shared
  bool non_null = false;

  std::string ToString() const {
    return (item != nullptr ? "[" + item->ToString() + "]" : name) +
           (non_null ? "!" : "");
  }
  // The innermost name.
  const std::string& base() const {
    return item != nullptr ? item->base() : name;
  }
};

struct Argument {
  std::string name;
  Value value;
};

struct Directive {
  std::string name;
  std::vector<Argument> arguments;
};

// One of a field, "...fragment" and "... on Type {}".
struct Selection {
  enum class Kind { kField, kSpread, kInline };

  Kind kind = Kind::kField;
  std::string name;               // of the field or fragment
  std::string alias;              // empty for none
  std::optional<std::string> on;  // kInline: the type, if it names one
  std::vector<Argument> arguments;
  std::vector<Directive> directives;
  std::vector<Selection> selections;

  const std::string& key() const { return alias.empty() ? name : alias; }
};

struct VariableDefinition {
  std::string name;
  TypeName type;
  std::optional<Value> fallback;
  std::vector<Directive> directives;
};

struct Operation {
  enum class Kind { kQuery, kMutation, kSubscription };

  Kind kind = Kind::kQuery;
  std::string name;  // empty for none
  std::vector<VariableDefinition> variables;
  std::vector<Directive> directives;
  std::vector<Selection> selections;
};

struct Fragment {
  std::string name;
  std::string on;
  std::vector<Directive> directives;
  std::vector<Selection> selections;
};

struct Document {
  std::vector<Operation> operations;
  std::vector<Fragment> fragments;

  // Of several with one name the last, as for all that is named; null if there
  // is none.
  const Fragment* FindFragment(std::string_view name) const {
    for (auto it = fragments.rbegin(); it != fragments.rend(); ++it) {
      if (it->name == name) return &*it;
    }
    return nullptr;
  }
};

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_AST_H_
