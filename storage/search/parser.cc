#include "storage/search/parser.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "base/text.h"
#include "storage/search/lexer.h"

namespace millstream::storage::search {
namespace {

bool IsWord(const Token& token, std::string_view word) {
  return token.kind == TokenKind::kName &&
         absl::EqualsIgnoreCase(AbslView(token.text), AbslView(word));
}

bool IsCapitals(std::string_view text) {
  return text == absl::AsciiStrToUpper(AbslView(text));
}

Name SplitName(const Token& token) {
  Name name;
  name.offset = token.offset;
  const size_t dot = token.text.find('.');
  name.has_prefix = dot != std::string_view::npos;
  if (name.has_prefix) name.prefix = token.text.substr(0, dot);
  name.key = name.has_prefix ? token.text.substr(dot + 1) : token.text;
  return name;
}

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens)
      : text_(text), tokens_(std::move(tokens)) {}

  absl::StatusOr<Filter> ParseFilter() {
    Filter filter;
    while (true) {
      while (IsWord(Peek(), "AND")) ++at_;
      if (Peek().kind == TokenKind::kEnd) return filter;
      if (filter.comparisons.size() == limits::kSearchConditionsMax) {
        return InvalidParameter("A filter has at most ",
                                limits::kSearchConditionsMax, " conditions.");
      }
      ASSIGN_OR_RETURN(Comparison comparison, ParseComparison());
      filter.comparisons.push_back(std::move(comparison));
    }
  }

  absl::StatusOr<OrderTerm> ParseOrder() {
    OrderTerm term;
    ASSIGN_OR_RETURN(term.name, ParseName());
    const Token& direction = Peek();
    if (direction.kind != TokenKind::kEnd) {
      term.ascending = IsWord(direction, "ASC");
      if (!term.ascending && !IsWord(direction, "DESC")) {
        return Unexpected(direction, "ASC or DESC");
      }
      ++at_;
    }
    if (Peek().kind != TokenKind::kEnd) {
      return Unexpected(Peek(), "the end; give one key for each term");
    }
    return term;
  }

 private:
  const Token& Peek(size_t ahead = 0) const {
    const size_t last = tokens_.size() - 1;
    return tokens_[at_ + ahead < last ? at_ + ahead : last];
  }

  size_t Column(const Token& token) const {
    return ColumnOf(text_, token.offset);
  }

  absl::Status Unexpected(const Token& token, std::string_view wanted) const {
    if (token.kind == TokenKind::kEnd) {
      return InvalidParameter("Expected ", wanted, " at column ",
                              Column(token), ", where the text ends.");
    }
    return InvalidParameter("Expected ", wanted, " at column ", Column(token),
                            ", found ", FirstCharacters(token.text, 40), ".");
  }

  absl::StatusOr<Name> ParseName() {
    const Token& token = Peek();
    if (IsWord(token, "OR") || IsWord(token, "NOT")) {
      return InvalidParameter(
          absl::AsciiStrToUpper(AbslView(token.text)), " at column ",
          Column(token),
          " is not in the language: conditions can be joined with AND only.");
    }
    if (token.kind != TokenKind::kName &&
        token.kind != TokenKind::kDoubleQuoted) {
      return Unexpected(token, "a key such as metrics.loss");
    }
    if (token.text.size() > limits::kSearchKeyBytesMax) {
      return InvalidParameter("The key at column ", Column(token),
                              " is longer than ", limits::kSearchKeyBytesMax,
                              " bytes.");
    }
    ++at_;
    return SplitName(token);
  }

  absl::StatusOr<Comparison> ParseComparison() {
    Comparison comparison;
    ASSIGN_OR_RETURN(comparison.name, ParseName());
    const Token& op = Peek();
    comparison.op_offset = op.offset;
    if (op.kind != TokenKind::kOperator && op.kind != TokenKind::kName) {
      return Unexpected(op, "an operator");
    }
    ++at_;
    comparison.op = absl::AsciiStrToUpper(AbslView(op.text));
    comparison.op_in_capitals = IsCapitals(op.text);
    if (comparison.op == "IS") {
      RETURN_IF_ERROR(FinishIsNull(&comparison));
      return comparison;
    }
    if (comparison.op == "NOT") {
      const Token& in = Peek();
      ++at_;
      // MLflow knows it in any case, unlike IN alone.
      comparison.op_in_capitals = true;
      if (!IsWord(in, "IN")) return Unexpected(in, "IN");
      comparison.op = "NOT IN";
    } else if (op.kind == TokenKind::kName && comparison.op != "LIKE" &&
               comparison.op != "ILIKE" && comparison.op != "IN") {
      --at_;
      return Unexpected(op, "an operator");
    }
    const bool wants_list = comparison.op == "IN" || comparison.op == "NOT IN";
    if (wants_list) {
      RETURN_IF_ERROR(ParseList(&comparison));
    } else {
      ASSIGN_OR_RETURN(Literal literal, ParseLiteral());
      comparison.values.push_back(literal);
    }
    return comparison;
  }

  absl::Status FinishIsNull(Comparison* comparison) {
    comparison->op = "IS NULL";
    if (IsWord(Peek(), "NOT")) {
      comparison->op = "IS NOT NULL";
      ++at_;
    }
    comparison->op_in_capitals = true;
    if (!IsWord(Peek(), "NULL")) return Unexpected(Peek(), "NULL");
    ++at_;
    return absl::OkStatus();
  }

  absl::Status ParseList(Comparison* comparison) {
    if (Peek().kind != TokenKind::kOpen) {
      return Unexpected(Peek(), "a list such as ('a', 'b')");
    }
    ++at_;
    comparison->is_list = true;
    while (Peek().kind != TokenKind::kClose) {
      if (++list_items_ > limits::kSearchListItemsMax) {
        return InvalidParameter("The lists of a filter have at most ",
                                limits::kSearchListItemsMax,
                                " values together.");
      }
      ASSIGN_OR_RETURN(Literal literal, ParseLiteral());
      comparison->values.push_back(literal);
      if (Peek().kind == TokenKind::kClose) break;
      if (Peek().kind != TokenKind::kComma) {
        return Unexpected(Peek(), "a comma or )");
      }
      ++at_;
    }
    ++at_;
    return absl::OkStatus();
  }

  absl::StatusOr<Literal> ParseLiteral() {
    const Token& token = Peek();
    Literal literal;
    literal.text = token.text;
    literal.offset = token.offset;
    switch (token.kind) {
      case TokenKind::kNumber:
        literal.kind = LiteralKind::kNumber;
        break;
      case TokenKind::kString:
        literal.kind = LiteralKind::kString;
        break;
      case TokenKind::kDoubleQuoted:
        literal.kind = LiteralKind::kDoubleQuoted;
        break;
      case TokenKind::kName:
        literal.kind = LiteralKind::kWord;
        break;
      default:
        return Unexpected(token, "a value");
    }
    ++at_;
    return literal;
  }

  const std::string_view text_;
  const std::vector<Token> tokens_;
  size_t at_ = 0;
  size_t list_items_ = 0;
};

}  // namespace

absl::StatusOr<Filter> ParseFilter(std::string_view text, bool loose_names) {
  if (text.empty()) return Filter{};
  if (text.size() > limits::kSearchFilterBytesMax) {
    return InvalidParameter("A filter has at most ",
                            limits::kSearchFilterBytesMax, " bytes.");
  }
  ASSIGN_OR_RETURN(std::vector<Token> tokens,
                   Tokenize(text, {.loose_names = loose_names}));
  if (tokens.size() == 1) {
    return InvalidParameter("The filter is blank. Leave it out to see all.");
  }
  return Parser(text, std::move(tokens)).ParseFilter();
}

absl::StatusOr<OrderTerm> ParseOrderTerm(std::string_view text) {
  if (text.size() > limits::kSearchOrderByBytesMax) {
    return InvalidParameter("A term of order_by has at most ",
                            limits::kSearchOrderByBytesMax, " bytes.");
  }
  ASSIGN_OR_RETURN(std::vector<Token> tokens,
                   Tokenize(text, {.numeric_parts = true}));
  return Parser(text, std::move(tokens)).ParseOrder();
}

}  // namespace millstream::storage::search
