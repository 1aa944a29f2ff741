#include "gateway/graphql/coerce.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/str_cat.h"

namespace millstream::gateway::graphql {
namespace {

using Kind = Value::Kind;

// Longest piece of a caller's value that a message repeats.
constexpr size_t kShownBytesMax = 100;
// After so many faults in the variables nobody reads on.
constexpr size_t kErrorsMax = 50;

std::string Shown(const Value& value) {
  switch (value.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kString:
      return StrCat("\"", value.text.substr(0, kShownBytesMax), "\"");
    case Kind::kVariable:
      return StrCat("$", value.text.substr(0, kShownBytesMax));
    case Kind::kList:
      return "a list";
    case Kind::kObject:
      return "an object";
    default:
      return value.text.substr(0, kShownBytesMax);
  }
}

// A number without a fraction, as JSON writes it, in [low, high].
bool IsInteger(const Value& value, double low, double high) {
  double number = 0;
  return (value.kind == Kind::kInt || value.kind == Kind::kFloat) &&
         absl::SimpleAtod(value.text, &number) && std::isfinite(number) &&
         std::trunc(number) == number && number >= low && number <= high;
}

bool FitsInt64(const Value& value) {
  int64_t ignored;
  if (value.kind == Kind::kFloat) return IsInteger(value, -9e15, 9e15);
  return (value.kind == Kind::kInt || value.kind == Kind::kString) &&
         absl::SimpleAtoi(value.text, &ignored);
}

// Whether a variable's value fits a scalar or enum.
bool LeafFits(const Type& type, const Value& value) {
  if (type.kind == Type::Kind::kEnum) {
    return value.kind == Kind::kString && type.HasValue(value.text);
  }
  if (type.name == "String") return value.kind == Kind::kString;
  if (type.name == "Boolean") return value.kind == Kind::kBoolean;
  if (type.name == "Int") {
    return IsInteger(value, std::numeric_limits<int32_t>::min(),
                     std::numeric_limits<int32_t>::max());
  }
  if (type.name == "Float") {
    return value.kind == Kind::kInt || value.kind == Kind::kFloat;
  }
  return FitsInt64(value);
}

// Checks variables' values and completes them with defaults.
class Coercer {
 public:
  Coercer(const Schema& schema, std::string variable,
          std::vector<std::string>* errors)
      : schema_(schema), variable_(std::move(variable)), errors_(errors) {}

  Value Coerce(const TypeName& type, const Value& value,
               const std::string& path) {
    if (value.is_null()) {
      if (type.non_null) Fail(path, "must not be null");
      return value;
    }
    if (type.item != nullptr) return CoerceList(*type.item, value, path);
    const Type* base = schema_.FindType(type.name);
    if (base->kind == Type::Kind::kInput) {
      return CoerceObject(*base, value, path);
    }
    if (!LeafFits(*base, value)) {
      Fail(path, StrCat("is to be ", base->name, ", not ", Shown(value)));
    }
    return value;
  }

 private:
  void Fail(const std::string& path, std::string_view problem) {
    if (errors_->size() < kErrorsMax) {
      errors_->push_back(StrCat("Variable '$", variable_,
                                "' got an invalid value: ",
                                path.empty() ? "it" : path, " ", problem, "."));
    }
  }

  Value CoerceList(const TypeName& item, const Value& value,
                   const std::string& path) {
    Value list;
    list.kind = Kind::kList;
    if (value.kind != Kind::kList) {  // one value stands for a list of one
      list.items.push_back(Coerce(item, value, path));
      return list;
    }
    for (size_t i = 0; i < value.items.size(); ++i) {
      list.items.push_back(
          Coerce(item, value.items[i], StrCat(path, "[", i, "]")));
    }
    return list;
  }

  Value CoerceObject(const Type& type, const Value& value,
                     const std::string& path) {
    Value object;
    object.kind = Kind::kObject;
    if (value.kind != Kind::kObject) {
      Fail(path, StrCat("is to be ", type.name, ", not ", Shown(value)));
      return object;
    }
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const Input& input : type.inputs) {
      const Value* given = value.Find(input.name);
      if (given != nullptr) {
        object.fields.emplace_back(
            input.name, Coerce(input.type, *given, prefix + input.name));
      } else if (input.fallback.has_value()) {
        object.fields.emplace_back(input.name, *input.fallback);
      } else if (input.type.non_null) {
        Fail(prefix + input.name, "is missing");
      }
    }
    for (const auto& [name, ignored] : value.fields) {
      if (type.FindInput(name) == nullptr) {
        Fail(prefix + name.substr(0, kShownBytesMax),
             StrCat("is no field of ", type.name));
      }
    }
    return object;
  }

  const Schema& schema_;
  const std::string variable_;
  std::vector<std::string>* const errors_;
};

// A literal with its variables replaced; nothing if it is a variable that was
// not given.
std::optional<Value> Substitute(const TypeName& type, const Type& base,
                                const Value& value,
                                const Variables& variables) {
  if (value.kind == Kind::kVariable) {
    const auto it = variables.find(value.text);
    if (it == variables.end()) return std::nullopt;
    return it->second;
  }
  if (value.is_null()) return value;
  Value result = value;
  if (type.item != nullptr) {
    result.kind = Kind::kList;
    result.items.clear();
    const bool is_list = value.kind == Kind::kList;
    for (size_t i = 0; i < (is_list ? value.items.size() : 1); ++i) {
      result.items.push_back(Substitute(*type.item, base,
                                        is_list ? value.items[i] : value,
                                        variables)
                                 .value_or(Value()));
    }
    return result;
  }
  if (base.kind == Type::Kind::kInput) {
    result.fields.clear();
    for (const Input& input : base.inputs) {
      const Value* given = value.Find(input.name);
      std::optional<Value> field =
          given == nullptr
              ? std::nullopt
              : Substitute(input.type, *input.base, *given, variables);
      if (!field.has_value()) field = input.fallback;
      if (field.has_value()) {
        result.fields.emplace_back(input.name, *std::move(field));
      }
    }
    return result;
  }
  // As the reference: any other literal of this type counts as null.
  if (base.name == "LongString" && value.kind != Kind::kInt) return Value();
  return result;
}

}  // namespace

std::string LiteralProblem(const Type& type, const Value& value) {
  bool fits = false;
  if (type.kind == Type::Kind::kEnum) {
    fits = value.kind == Kind::kEnum && type.HasValue(value.text);
  } else if (type.name == "LongString") {
    fits = value.kind != Kind::kInt || FitsInt64(value);
  } else {
    fits = LeafFits(type, value) &&
           !(type.name == "Int" && value.kind == Kind::kFloat);
  }
  return fits ? ""
              : StrCat("Expected a value of type '", type.name, "', found ",
                       Shown(value), ".");
}

Variables CoerceVariables(const Schema& schema, const Operation& operation,
                          const Value& given,
                          std::vector<std::string>* errors) {
  Variables variables;
  for (const VariableDefinition& definition : operation.variables) {
    const Value* value = given.Find(definition.name);
    const std::string& name = definition.name;
    if (value == nullptr && definition.fallback.has_value()) {
      const Type* base = schema.FindType(definition.type.base());
      variables[name] = *Substitute(definition.type, *base,
                                    *definition.fallback, Variables());
    } else if (value == nullptr) {
      if (definition.type.non_null) {
        errors->push_back(StrCat("Variable '$", name, "' of required type '",
                                 definition.type.ToString(),
                                 "' was not provided."));
      }
    } else {
      variables[name] =
          Coercer(schema, name, errors).Coerce(definition.type, *value, "");
    }
  }
  return variables;
}

std::vector<std::pair<std::string, Value>> CoerceArguments(
    const Field& field, const std::vector<Argument>& arguments,
    const Variables& variables) {
  std::vector<std::pair<std::string, Value>> coerced;
  for (const Input& input : field.arguments) {
    std::optional<Value> value;
    for (const Argument& argument : arguments) {
      if (argument.name == input.name) {
        value = Substitute(input.type, *input.base, argument.value, variables);
      }
    }
    if (!value.has_value()) value = input.fallback;
    if (value.has_value()) coerced.emplace_back(input.name, *std::move(value));
  }
  return coerced;
}

}  // namespace millstream::gateway::graphql
