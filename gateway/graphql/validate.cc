#include "gateway/graphql/validate.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/str_cat.h"
#include "gateway/graphql/coerce.h"

namespace millstream::gateway::graphql {
namespace {

using Selections = std::vector<Selection>;
using Names = std::set<std::string_view>;

// How many levels of lists of types introspection may descend: each multiplies
// the answer.
constexpr int kIntrospectionDepthMax = 3;

std::string_view LocationOf(Operation::Kind kind) {
  switch (kind) {
    case Operation::Kind::kQuery:
      return "QUERY";
    case Operation::Kind::kMutation:
      return "MUTATION";
    case Operation::Kind::kSubscription:
      return "SUBSCRIPTION";
  }
  return "QUERY";
}

enum class Report { kOnce, kEach };

// Calls `repeated` for each name that comes more than once: once, or for each
// time after the first.
template <typename List, typename NameOf>
void FindRepeated(const List& list, Report report, NameOf name_of,
                  const std::function<void(std::string_view)>& repeated) {
  std::map<std::string_view, int> counts;
  for (const auto& item : list) {
    const int count = ++counts[name_of(item)];
    if (count == 2 || (count > 2 && report == Report::kEach)) {
      repeated(name_of(item));
    }
  }
}

// A variable in a place that wants a type.
struct Usage {
  std::string_view variable;
  const TypeName* type;  // null where nothing is known to be wanted
  bool has_fallback;     // the place has a default of its own
};

class Validator {
 public:
  Validator(const Schema& schema, const Document& document)
      : schema_(schema), document_(document) {}

  std::vector<std::string> Run() {
    CheckNames();
    for (const Operation& operation : document_.operations) {
      const Type* root = schema_.Root(operation.kind);
      CheckVariableDefinitions(operation);
      CheckDirectives(operation.directives, LocationOf(operation.kind));
      CheckSelections(root, operation.selections, 0);
      CheckMerging(root, operation.selections);
      CheckUsages(operation);
    }
    for (const Fragment& fragment : document_.fragments) {
      const Type* type = CheckCondition(fragment.on);
      CheckDirectives(fragment.directives, "FRAGMENT_DEFINITION");
      CheckSelections(type, fragment.selections, 0);
    }
    CheckFragmentsUsed();
    return std::move(errors_);
  }

 private:
  template <typename... Args>
  void Fail(const Args&... args) {
    if (errors_.size() < limits::kGraphqlErrorsMax) {
      errors_.push_back(StrCat(args...));
    }
  }

  void CheckNames();
  void CheckFragmentsUsed();
  // Type of a fragment's condition; null, and an error, if it is none.
  const Type* CheckCondition(const std::string& name);
  void CheckVariableDefinitions(const Operation& operation);
  void CheckDirectives(const std::vector<Directive>& directives,
                       std::string_view location);
  void CheckSelections(const Type* type, const Selections& selections,
                       int introspection_depth);
  void CheckField(const Type* type, const Selection& selection,
                  int introspection_depth);
  template <typename Owner>
  void CheckArguments(const Owner& owner, std::string_view owner_name,
                      const std::vector<Argument>& arguments);
  void CheckRepeatedArguments(const std::vector<Argument>& arguments);
  // Arguments of a field that nothing is known of.
  void CheckUntyped(const std::vector<Argument>& arguments);
  void CheckLiteral(const TypeName& type, const Value& value);
  void CheckObject(const Type& type, const Value& value);
  void CheckRepeatedFields(const Value& value);

  // Variables, with what fragments use.
  void CheckUsages(const Operation& operation);
  void Collect(const Type* type, const Selections& selections, Names* spread,
               std::vector<Usage>* usages);
  void CollectValue(const TypeName* type, const Value& value, bool has_fallback,
                    std::vector<Usage>* usages);
  template <typename Owner>
  void CollectArguments(const Owner* owner,
                        const std::vector<Argument>& arguments,
                        std::vector<Usage>* usages);

  // Fields of one key, which must be one field.
  struct Merged {
    const Type* type;
    const Selection* selection;
  };
  void Gather(const Type* type, const Selections& selections, Names* spread,
              std::map<std::string_view, std::vector<Merged>>* fields);
  void CheckMerging(const Type* type, const Selections& selections);
  void CheckMerged(
      const std::map<std::string_view, std::vector<Merged>>& fields, int depth);

  const Field* FindField(const Type* type, std::string_view name) const;
  bool SpreadsInto(const Selections& selections, std::string_view target,
                   Names* seen) const;

  const Schema& schema_;
  const Document& document_;
  std::vector<std::string> errors_;
};

// --- Names and fragments

bool Validator::SpreadsInto(const Selections& selections,
                            std::string_view target, Names* seen) const {
  for (const Selection& selection : selections) {
    if (selection.kind == Selection::Kind::kSpread) {
      if (selection.name == target) return true;
      if (!seen->insert(selection.name).second) continue;
      const Fragment* fragment = document_.FindFragment(selection.name);
      if (fragment != nullptr &&
          SpreadsInto(fragment->selections, target, seen)) {
        return true;
      }
    } else if (SpreadsInto(selection.selections, target, seen)) {
      return true;
    }
  }
  return false;
}

void Validator::CheckNames() {
  FindRepeated(
      document_.operations, Report::kEach,
      [](const Operation& o) -> std::string_view { return o.name; },
      [&](std::string_view name) {
        if (!name.empty()) Fail("There are two operations named '", name, "'.");
      });
  if (document_.operations.size() > 1) {
    for (const Operation& operation : document_.operations) {
      if (operation.name.empty()) {
        Fail("Each of several operations needs a name.");
      }
    }
  }
  FindRepeated(
      document_.fragments, Report::kEach,
      [](const Fragment& f) -> std::string_view { return f.name; },
      [&](std::string_view name) {
        Fail("There are two fragments named '", name, "'.");
      });
}

void Validator::CheckFragmentsUsed() {
  Names used;
  for (const Operation& operation : document_.operations) {
    SpreadsInto(operation.selections, "", &used);
  }
  Names cyclic;
  for (const Fragment& fragment : document_.fragments) {
    if (!used.contains(fragment.name)) {
      Fail("Fragment '", fragment.name, "' is never used.");
    }
    // Of a cycle, the first fragment alone is named.
    Names seen;
    if (!cyclic.contains(fragment.name) &&
        SpreadsInto(fragment.selections, fragment.name, &seen)) {
      Fail("Fragment '", fragment.name, "' spreads itself.");
      cyclic.insert(seen.begin(), seen.end());
    }
  }
}

const Type* Validator::CheckCondition(const std::string& name) {
  const Type* type = schema_.FindType(name);
  if (type == nullptr) {
    Fail("Unknown type '", name, "'.");
  } else if (type->kind != Type::Kind::kObject) {
    Fail("A fragment cannot be on type '", name, "', which has no fields.");
    return nullptr;
  }
  return type;
}

// --- Fields, arguments, directives

const Field* Validator::FindField(const Type* type,
                                  std::string_view name) const {
  if (type == nullptr) return nullptr;
  if (type == schema_.Root(Operation::Kind::kQuery)) {
    if (const Field* meta = schema_.FindMetaField(name)) return meta;
  }
  return type->FindField(name);
}

void Validator::CheckSelections(const Type* type, const Selections& selections,
                                int introspection_depth) {
  for (const Selection& selection : selections) {
    if (selection.kind == Selection::Kind::kField) {
      CheckField(type, selection, introspection_depth);
      continue;
    }
    const bool is_spread = selection.kind == Selection::Kind::kSpread;
    CheckDirectives(selection.directives,
                    is_spread ? "FRAGMENT_SPREAD" : "INLINE_FRAGMENT");
    const Type* on = type;
    if (is_spread) {
      const Fragment* fragment = document_.FindFragment(selection.name);
      if (fragment == nullptr) Fail("Unknown fragment '", selection.name, "'.");
      on = fragment == nullptr ? nullptr : schema_.FindType(fragment->on);
      if (on != nullptr && on->kind != Type::Kind::kObject) on = nullptr;
    } else if (selection.on.has_value()) {
      on = CheckCondition(*selection.on);
    }
    if (on != nullptr && type != nullptr && on != type) {
      Fail("A fragment on '", on->name, "' can never apply to type '",
           type->name, "'.");
    }
    if (!is_spread) {
      CheckSelections(on, selection.selections, introspection_depth);
    }
  }
}

void Validator::CheckField(const Type* type, const Selection& selection,
                           int introspection_depth) {
  CheckDirectives(selection.directives, "FIELD");
  const std::string& name = selection.name;
  if (type == nullptr) {
    CheckUntyped(selection.arguments);
    CheckSelections(nullptr, selection.selections, introspection_depth);
    return;
  }
  if (name == "__typename") {
    if (!selection.selections.empty()) {
      Fail("Field '__typename' has no subfields to select.");
    }
    return;
  }
  const Field* field = FindField(type, name);
  if (field == nullptr) {
    Fail("Cannot query field '", name, "' on type '", type->name, "'.");
    CheckUntyped(selection.arguments);
    CheckSelections(nullptr, selection.selections, introspection_depth);
    return;
  }
  if (field->base->is_leaf() && !selection.selections.empty()) {
    Fail("Field '", name, "' of type '", field->type.ToString(),
         "' has no subfields to select.");
  } else if (!field->base->is_leaf() && selection.selections.empty()) {
    Fail("Field '", name, "' of type '", field->type.ToString(),
         "' must have a selection of subfields: '", name, " { ... }'.");
  }
  CheckArguments(*field, StrCat("field '", type->name, ".", name, "'"),
                 selection.arguments);
  if (type->name == "__Type" &&
      (name == "fields" || name == "inputFields" || name == "interfaces" ||
       name == "possibleTypes")) {
    if (++introspection_depth >= kIntrospectionDepthMax) {
      Fail("Maximum introspection depth exceeded.");
      return;
    }
  }
  CheckSelections(field->base->is_leaf() ? nullptr : field->base,
                  selection.selections, introspection_depth);
}

template <typename Owner>
void Validator::CheckArguments(const Owner& owner, std::string_view owner_name,
                               const std::vector<Argument>& arguments) {
  Names given;
  for (const Argument& argument : arguments) {
    given.insert(argument.name);
    CheckRepeatedFields(argument.value);
    const Input* input = owner.FindArgument(argument.name);
    if (input == nullptr) {
      Fail("Unknown argument '", argument.name, "' on ", owner_name, ".");
    } else {
      CheckLiteral(input->type, argument.value);
    }
  }
  CheckRepeatedArguments(arguments);
  for (const Input& input : owner.arguments) {
    if (input.type.non_null && !input.fallback.has_value() &&
        !given.contains(input.name)) {
      Fail("Argument '", input.name, "' of type '", input.type.ToString(),
           "' is required on ", owner_name, ", but it was not provided.");
    }
  }
}

void Validator::CheckUntyped(const std::vector<Argument>& arguments) {
  for (const Argument& argument : arguments) {
    CheckRepeatedFields(argument.value);
  }
  CheckRepeatedArguments(arguments);
}

void Validator::CheckRepeatedArguments(const std::vector<Argument>& arguments) {
  FindRepeated(
      arguments, Report::kOnce,
      [](const Argument& a) -> std::string_view { return a.name; },
      [&](std::string_view name) {
        Fail("There can be only one argument named '", name, "'.");
      });
}

void Validator::CheckLiteral(const TypeName& type, const Value& value) {
  if (value.kind == Value::Kind::kVariable) return;
  if (value.is_null()) {
    if (type.non_null) {
      Fail("Expected a value of type '", type.ToString(), "', found null.");
    }
    return;
  }
  if (type.item != nullptr) {
    if (value.kind != Value::Kind::kList) {
      CheckLiteral(*type.item, value);
    }
    for (const Value& item : value.items) CheckLiteral(*type.item, item);
    return;
  }
  const Type* base = schema_.FindType(type.name);
  if (base == nullptr || !base->is_input()) return;  // has its own error
  if (base->kind == Type::Kind::kInput) {
    CheckObject(*base, value);
    return;
  }
  std::string problem = LiteralProblem(*base, value);
  if (!problem.empty()) Fail(problem);
}

void Validator::CheckRepeatedFields(const Value& value) {
  FindRepeated(
      value.fields, Report::kEach,
      [](const ObjectField& field) -> std::string_view { return field.name; },
      [&](std::string_view name) {
        Fail("There can be only one input field named '", name, "'.");
      });
  for (const auto& [name, field] : value.fields) CheckRepeatedFields(field);
  for (const Value& item : value.items) CheckRepeatedFields(item);
}

void Validator::CheckObject(const Type& type, const Value& value) {
  if (value.kind != Value::Kind::kObject) {
    Fail("Expected a value of type '", type.name, "'.");
    return;
  }
  for (const auto& [name, field] : value.fields) {
    const Input* input = type.FindInput(name);
    if (input == nullptr) {
      Fail("Field '", name, "' is not defined by type '", type.name, "'.");
    } else {
      CheckLiteral(input->type, field);
    }
  }
  for (const Input& input : type.inputs) {
    if (input.type.non_null && !input.fallback.has_value() &&
        value.Find(input.name) == nullptr) {
      Fail("Field '", type.name, ".", input.name, "' is required.");
    }
  }
}

void Validator::CheckDirectives(const std::vector<Directive>& directives,
                                std::string_view location) {
  for (const Directive& directive : directives) {
    const DirectiveType* type = schema_.FindDirective(directive.name);
    if (type == nullptr) {
      Fail("Unknown directive '@", directive.name, "'.");
      CheckUntyped(directive.arguments);
      continue;
    }
    if (!type->AllowedAt(location)) {
      Fail("Directive '@", directive.name, "' may not be used on ", location,
           ".");
    }
    CheckArguments(*type, StrCat("directive '@", directive.name, "'"),
                   directive.arguments);
  }
  FindRepeated(
      directives, Report::kEach,
      [](const Directive& d) -> std::string_view { return d.name; },
      [&](std::string_view name) {
        if (schema_.FindDirective(name) != nullptr) {
          Fail("The directive '@", name, "' can only be used once here.");
        }
      });
}

// --- Variables

void Validator::CheckVariableDefinitions(const Operation& operation) {
  FindRepeated(
      operation.variables, Report::kOnce,
      [](const VariableDefinition& v) -> std::string_view { return v.name; },
      [&](std::string_view name) {
        Fail("There can be only one variable named '$", name, "'.");
      });
  for (const VariableDefinition& variable : operation.variables) {
    CheckDirectives(variable.directives, "VARIABLE_DEFINITION");
    if (variable.fallback.has_value()) CheckRepeatedFields(*variable.fallback);
    const Type* type = schema_.FindType(variable.type.base());
    if (type == nullptr) {
      Fail("Unknown type '", variable.type.base(), "'.");
    } else if (!type->is_input()) {
      Fail("Variable '$", variable.name, "' cannot be of type '",
           variable.type.ToString(), "', which is for answers.");
    } else if (variable.fallback.has_value()) {
      CheckLiteral(variable.type, *variable.fallback);
    }
  }
}

void Validator::CollectValue(const TypeName* type, const Value& value,
                             bool has_fallback, std::vector<Usage>* usages) {
  if (value.kind == Value::Kind::kVariable) {
    usages->push_back({value.text, type, has_fallback});
  }
  const TypeName* item =
      type != nullptr && type->item != nullptr ? type->item.get() : nullptr;
  for (const Value& element : value.items) {
    CollectValue(item, element, false, usages);
  }
  const Type* base = type == nullptr ? nullptr : schema_.FindType(type->base());
  for (const auto& [name, field] : value.fields) {
    const Input* input = base == nullptr ? nullptr : base->FindInput(name);
    CollectValue(input == nullptr ? nullptr : &input->type, field,
                 input != nullptr && input->fallback.has_value(), usages);
  }
}

template <typename Owner>
void Validator::CollectArguments(const Owner* owner,
                                 const std::vector<Argument>& arguments,
                                 std::vector<Usage>* usages) {
  for (const Argument& argument : arguments) {
    const Input* input =
        owner == nullptr ? nullptr : owner->FindArgument(argument.name);
    CollectValue(input == nullptr ? nullptr : &input->type, argument.value,
                 input != nullptr && input->fallback.has_value(), usages);
  }
}

void Validator::Collect(const Type* type, const Selections& selections,
                        Names* spread, std::vector<Usage>* usages) {
  for (const Selection& selection : selections) {
    for (const Directive& directive : selection.directives) {
      CollectArguments(schema_.FindDirective(directive.name),
                       directive.arguments, usages);
    }
    if (selection.kind == Selection::Kind::kSpread) {
      const Fragment* fragment = document_.FindFragment(selection.name);
      if (fragment != nullptr && spread->insert(selection.name).second) {
        Collect(schema_.FindType(fragment->on), fragment->selections, spread,
                usages);
      }
      continue;
    }
    const Type* below =
        selection.on.has_value() ? schema_.FindType(*selection.on) : type;
    if (selection.kind == Selection::Kind::kField) {
      const Field* field = FindField(type, selection.name);
      CollectArguments(field, selection.arguments, usages);
      below = field == nullptr ? nullptr : field->base;
    }
    Collect(below, selection.selections, spread, usages);
  }
}

// Whether a value of type `variable` may stand where `place` is wanted.
bool Fits(const TypeName& variable, const TypeName& place) {
  if (place.non_null && !variable.non_null) return false;
  if ((place.item == nullptr) != (variable.item == nullptr)) return false;
  return place.item == nullptr ? place.name == variable.name
                               : Fits(*variable.item, *place.item);
}

void Validator::CheckUsages(const Operation& operation) {
  std::vector<Usage> usages;
  Names spread;
  for (const Directive& directive : operation.directives) {
    CollectArguments(schema_.FindDirective(directive.name), directive.arguments,
                     &usages);
  }
  Collect(schema_.Root(operation.kind), operation.selections, &spread, &usages);
  Names used;
  for (const Usage& usage : usages) {
    used.insert(usage.variable);
    const auto defined = std::find_if(
        operation.variables.rbegin(), operation.variables.rend(),
        [&](const VariableDefinition& v) { return v.name == usage.variable; });
    if (defined == operation.variables.rend()) {
      Fail("Variable '$", usage.variable, "' is not defined.");
      continue;
    }
    const Type* base = schema_.FindType(defined->type.base());
    if (usage.type == nullptr || base == nullptr) continue;
    TypeName type = defined->type;
    if (usage.has_fallback ||
        (defined->fallback.has_value() && !defined->fallback->is_null())) {
      type.non_null = true;  // a default stands in for what is not given
    }
    if (!Fits(type, *usage.type)) {
      Fail("Variable '$", usage.variable, "' of type '",
           defined->type.ToString(), "' used where '", usage.type->ToString(),
           "' is expected.");
    }
  }
  for (const VariableDefinition& variable : operation.variables) {
    if (!used.contains(variable.name)) {
      Fail("Variable '$", variable.name, "' is never used.");
    }
  }
}

// --- Fields that share a key

void Validator::Gather(
    const Type* type, const Selections& selections, Names* spread,
    std::map<std::string_view, std::vector<Merged>>* fields) {
  for (const Selection& selection : selections) {
    if (selection.kind == Selection::Kind::kField) {
      (*fields)[selection.key()].push_back({type, &selection});
    } else if (selection.kind == Selection::Kind::kInline) {
      Gather(selection.on.has_value() ? schema_.FindType(*selection.on) : type,
             selection.selections, spread, fields);
    } else if (spread->insert(selection.name).second) {
      if (const Fragment* fragment = document_.FindFragment(selection.name)) {
        Gather(schema_.FindType(fragment->on), fragment->selections, spread,
               fields);
      }
    }
  }
}

bool SameValue(const Value& a, const Value& b) {
  return a.kind == b.kind && a.text == b.text &&
         std::equal(a.items.begin(), a.items.end(), b.items.begin(),
                    b.items.end(), SameValue) &&
         std::equal(a.fields.begin(), a.fields.end(), b.fields.begin(),
                    b.fields.end(), [](const auto& x, const auto& y) {
                      return x.name == y.name && SameValue(x.value, y.value);
                    });
}

bool SameArguments(const Selection& a, const Selection& b) {
  if (a.arguments.size() != b.arguments.size()) return false;
  return std::all_of(
      a.arguments.begin(), a.arguments.end(), [&](const Argument& x) {
        return std::any_of(
            b.arguments.begin(), b.arguments.end(), [&](const Argument& y) {
              return x.name == y.name && SameValue(x.value, y.value);
            });
      });
}

void Validator::CheckMerging(const Type* type, const Selections& selections) {
  std::map<std::string_view, std::vector<Merged>> fields;
  Names spread;
  Gather(type, selections, &spread, &fields);
  CheckMerged(fields, 0);
}

void Validator::CheckMerged(
    const std::map<std::string_view, std::vector<Merged>>& fields, int depth) {
  // Deeper levels exist only through fragments that spread themselves, which
  // is an error already.
  if (depth > limits::kGraphqlDepthMax) return;
  for (const auto& [key, same] : fields) {
    const Merged& first = same.front();
    bool conflict = false;
    for (const Merged& other : same) {
      if (other.type != first.type || other.selection == first.selection) {
        continue;  // types differ: never both there
      }
      if (other.selection->name != first.selection->name) {
        Fail("Fields '", key, "' conflict because '", first.selection->name,
             "' and '", other.selection->name,
             "' are different fields. Use different aliases.");
        conflict = true;
      } else if (!SameArguments(*other.selection, *first.selection)) {
        Fail("Fields '", key,
             "' conflict because they have differing "
             "arguments. Use different aliases.");
        conflict = true;
      }
    }
    if (conflict) continue;
    std::map<std::string_view, std::vector<Merged>> below;
    Names spread;
    for (const Merged& merged : same) {
      const Field* field = FindField(merged.type, merged.selection->name);
      Gather(field == nullptr ? nullptr : field->base,
             merged.selection->selections, &spread, &below);
    }
    CheckMerged(below, depth + 1);
  }
}

}  // namespace

std::vector<std::string> Validate(const Schema& schema,
                                  const Document& document) {
  return Validator(schema, document).Run();
}

}  // namespace millstream::gateway::graphql
