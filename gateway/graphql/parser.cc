#include "gateway/graphql/parser.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"

namespace millstream::gateway::graphql {

absl::Status ParserBase::Advance() {
  ASSIGN_OR_RETURN(token_, lexer_.Next());
  return absl::OkStatus();
}

absl::Status ParserBase::Unexpected(std::string_view expected) const {
  if (AtEnd()) {
    return lexer_.ErrorAt(token_.offset,
                          StrCat("expected ", expected, ", but it ends."));
  }
  return lexer_.ErrorAt(token_.offset,
                        StrCat("expected ", expected, ", found '",
                               token_.text.substr(0, 100), "'."));
}

absl::Status ParserBase::Expect(std::string_view punctuator) {
  if (!At(punctuator)) return Unexpected(StrCat("'", punctuator, "'"));
  return Advance();
}

absl::StatusOr<std::string> ParserBase::Name() {
  if (token_.kind != Token::Kind::kName) return Unexpected("a name");
  std::string name = std::move(token_.text);
  RETURN_IF_ERROR(Advance());
  return name;
}

absl::Status ParserBase::CheckLevel() const {
  if (level_ > limits::kGraphqlNestingMax) {
    return lexer_.ErrorAt(
        token_.offset,
        StrCat("nested deeper than ", limits::kGraphqlNestingMax, " levels."));
  }
  return absl::OkStatus();
}

absl::StatusOr<Value> ParserBase::ParseValue(bool constant) {
  const Level level(this);
  RETURN_IF_ERROR(CheckLevel());
  if (At("[")) return ParseList(constant);
  if (At("{")) return ParseObject(constant);
  Value value;
  if (At("$") && !constant) {
    RETURN_IF_ERROR(Advance());
    value.kind = Value::Kind::kVariable;
    ASSIGN_OR_RETURN(value.text, Name());
    return value;
  }
  switch (token_.kind) {
    case Token::Kind::kInt:
      value.kind = Value::Kind::kInt;
      break;
    case Token::Kind::kFloat:
      value.kind = Value::Kind::kFloat;
      break;
    case Token::Kind::kString:
      value.kind = Value::Kind::kString;
      break;
    case Token::Kind::kName:
      value.kind = AtName("null")                      ? Value::Kind::kNull
                   : AtName("true") || AtName("false") ? Value::Kind::kBoolean
                                                       : Value::Kind::kEnum;
      break;
    default:
      return Unexpected("a value");
  }
  value.text = token_.text;
  RETURN_IF_ERROR(Advance());
  return value;
}

absl::StatusOr<Value> ParserBase::ParseList(bool constant) {
  RETURN_IF_ERROR(Expect("["));
  Value list;
  list.kind = Value::Kind::kList;
  while (!At("]")) {
    ASSIGN_OR_RETURN(Value item, ParseValue(constant));
    list.items.push_back(std::move(item));
  }
  RETURN_IF_ERROR(Advance());
  return list;
}

absl::StatusOr<Value> ParserBase::ParseObject(bool constant) {
  RETURN_IF_ERROR(Expect("{"));
  Value object;
  object.kind = Value::Kind::kObject;
  while (!At("}")) {
    ASSIGN_OR_RETURN(std::string name, Name());
    RETURN_IF_ERROR(Expect(":"));
    ASSIGN_OR_RETURN(Value field, ParseValue(constant));
    object.fields.emplace_back(std::move(name), std::move(field));
  }
  RETURN_IF_ERROR(Advance());
  return object;
}

absl::StatusOr<TypeName> ParserBase::ParseType() {
  const Level level(this);
  RETURN_IF_ERROR(CheckLevel());
  TypeName type;
  if (At("[")) {
    RETURN_IF_ERROR(Advance());
    ASSIGN_OR_RETURN(TypeName item, ParseType());
    type.item = std::make_shared<TypeName>(std::move(item));
    RETURN_IF_ERROR(Expect("]"));
  } else {
    ASSIGN_OR_RETURN(type.name, Name());
  }
  if (At("!")) {
    type.non_null = true;
    RETURN_IF_ERROR(Advance());
  }
  return type;
}

namespace {

class DocumentParser : public ParserBase {
 public:
  using ParserBase::ParserBase;

  absl::StatusOr<Document> Parse() {
    RETURN_IF_ERROR(Start());
    Document document;
    do {
      RETURN_IF_ERROR(SkipDescription());
      if (AtName("fragment")) {
        ASSIGN_OR_RETURN(Fragment fragment, ParseFragment());
        document.fragments.push_back(std::move(fragment));
      } else {
        ASSIGN_OR_RETURN(Operation operation, ParseOperation());
        document.operations.push_back(std::move(operation));
      }
      if (document.operations.size() + document.fragments.size() >
          limits::kGraphqlDefinitionsMax) {
        return InvalidParameter("A GraphQL query has at most ",
                                limits::kGraphqlDefinitionsMax,
                                " operations and fragments.");
      }
    } while (!AtEnd());
    return document;
  }

 private:
  // Newer drafts of the language let definitions say what they are for.
  absl::Status SkipDescription() {
    return token().kind == Token::Kind::kString ? Advance() : absl::OkStatus();
  }

  absl::StatusOr<Operation> ParseOperation() {
    Operation operation;
    if (!At("{")) {
      if (AtName("query")) {
        operation.kind = Operation::Kind::kQuery;
      } else if (AtName("mutation")) {
        operation.kind = Operation::Kind::kMutation;
      } else if (AtName("subscription")) {
        operation.kind = Operation::Kind::kSubscription;
      } else {
        return Unexpected("an operation or fragment");
      }
      RETURN_IF_ERROR(Advance());
      if (token().kind == Token::Kind::kName) {
        ASSIGN_OR_RETURN(operation.name, Name());
      }
      if (At("(")) {
        ASSIGN_OR_RETURN(operation.variables, ParseVariables());
      }
      ASSIGN_OR_RETURN(operation.directives, ParseDirectives(false));
    }
    ASSIGN_OR_RETURN(operation.selections, ParseSelections());
    return operation;
  }

  absl::StatusOr<std::vector<VariableDefinition>> ParseVariables() {
    RETURN_IF_ERROR(Expect("("));
    std::vector<VariableDefinition> variables;
    do {
      VariableDefinition variable;
      RETURN_IF_ERROR(SkipDescription());
      RETURN_IF_ERROR(Expect("$"));
      ASSIGN_OR_RETURN(variable.name, Name());
      RETURN_IF_ERROR(Expect(":"));
      ASSIGN_OR_RETURN(variable.type, ParseType());
      if (At("=")) {
        RETURN_IF_ERROR(Advance());
        ASSIGN_OR_RETURN(variable.fallback, ParseValue(true));
      }
      ASSIGN_OR_RETURN(variable.directives, ParseDirectives(true));
      variables.push_back(std::move(variable));
    } while (!At(")"));
    RETURN_IF_ERROR(Advance());
    return variables;
  }

  absl::StatusOr<std::vector<Selection>> ParseSelections() {
    const Level level(this);
    RETURN_IF_ERROR(CheckLevel());
    RETURN_IF_ERROR(Expect("{"));
    std::vector<Selection> selections;
    do {
      ASSIGN_OR_RETURN(Selection selection, ParseSelection());
      selections.push_back(std::move(selection));
    } while (!At("}"));
    RETURN_IF_ERROR(Advance());
    return selections;
  }

  absl::StatusOr<Selection> ParseSelection() {
    Selection selection;
    if (At("...")) {
      RETURN_IF_ERROR(Advance());
      const bool named = token().kind == Token::Kind::kName;
      if (named && !AtName("on")) {
        selection.kind = Selection::Kind::kSpread;
        ASSIGN_OR_RETURN(selection.name, Name());
        ASSIGN_OR_RETURN(selection.directives, ParseDirectives(false));
        return selection;
      }
      selection.kind = Selection::Kind::kInline;
      if (named) {
        RETURN_IF_ERROR(Advance());
        ASSIGN_OR_RETURN(selection.on, Name());
      }
      ASSIGN_OR_RETURN(selection.directives, ParseDirectives(false));
      ASSIGN_OR_RETURN(selection.selections, ParseSelections());
      return selection;
    }
    ASSIGN_OR_RETURN(selection.name, Name());
    if (At(":")) {
      RETURN_IF_ERROR(Advance());
      selection.alias = std::move(selection.name);
      ASSIGN_OR_RETURN(selection.name, Name());
    }
    ASSIGN_OR_RETURN(selection.arguments, ParseArguments(false));
    ASSIGN_OR_RETURN(selection.directives, ParseDirectives(false));
    if (At("{")) {
      ASSIGN_OR_RETURN(selection.selections, ParseSelections());
    }
    return selection;
  }

  absl::StatusOr<std::vector<Argument>> ParseArguments(bool constant) {
    std::vector<Argument> arguments;
    if (!At("(")) return arguments;
    RETURN_IF_ERROR(Advance());
    do {
      Argument argument;
      ASSIGN_OR_RETURN(argument.name, Name());
      RETURN_IF_ERROR(Expect(":"));
      ASSIGN_OR_RETURN(argument.value, ParseValue(constant));
      arguments.push_back(std::move(argument));
    } while (!At(")"));
    RETURN_IF_ERROR(Advance());
    return arguments;
  }

  absl::StatusOr<std::vector<Directive>> ParseDirectives(bool constant) {
    std::vector<Directive> directives;
    while (At("@")) {
      RETURN_IF_ERROR(Advance());
      Directive directive;
      ASSIGN_OR_RETURN(directive.name, Name());
      ASSIGN_OR_RETURN(directive.arguments, ParseArguments(constant));
      directives.push_back(std::move(directive));
    }
    return directives;
  }

  absl::StatusOr<Fragment> ParseFragment() {
    RETURN_IF_ERROR(Advance());
    Fragment fragment;
    if (AtName("on")) return Unexpected("a fragment's name");
    ASSIGN_OR_RETURN(fragment.name, Name());
    if (!AtName("on")) return Unexpected("'on'");
    RETURN_IF_ERROR(Advance());
    ASSIGN_OR_RETURN(fragment.on, Name());
    ASSIGN_OR_RETURN(fragment.directives, ParseDirectives(false));
    ASSIGN_OR_RETURN(fragment.selections, ParseSelections());
    return fragment;
  }
};

}  // namespace

absl::StatusOr<Document> ParseDocument(std::string_view text) {
  if (text.size() > limits::kGraphqlQueryBytesMax) {
    return InvalidParameter("A GraphQL query has at most ",
                            limits::kGraphqlQueryBytesMax, " bytes.");
  }
  return DocumentParser(text).Parse();
}

}  // namespace millstream::gateway::graphql
