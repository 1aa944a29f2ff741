// Reads GraphQL queries (October 2021).
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_PARSER_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_PARSER_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "gateway/graphql/ast.h"
#include "gateway/graphql/lexer.h"

namespace millstream::gateway::graphql {

// The document in `text`: one operation or fragment at least.
// INVALID_PARAMETER_VALUE, saying where: not a document, larger than
// limits::kGraphqlQueryBytesMax, kGraphqlTokensMax or kGraphqlDefinitionsMax,
// or nested deeper than kGraphqlNestingMax. Thread-safe.
absl::StatusOr<Document> ParseDocument(std::string_view text);

// The rules that documents and the schema's own text share. Not thread-safe.
class ParserBase {
 public:
  // `text` must outlive the parser.
  explicit ParserBase(std::string_view text) : lexer_(text) {}

 protected:
  // Reads the first token. Called before anything else.
  absl::Status Start() { return Advance(); }
  absl::Status Advance();
  const Token& token() const { return token_; }
  bool AtEnd() const { return token_.kind == Token::Kind::kEnd; }
  bool At(std::string_view punctuator) const {
    return token_.kind == Token::Kind::kPunctuator && token_.text == punctuator;
  }
  bool AtName(std::string_view name) const {
    return token_.kind == Token::Kind::kName && token_.text == name;
  }
  absl::Status Expect(std::string_view punctuator);
  absl::StatusOr<std::string> Name();
  // That the token is not `expected`.
  absl::Status Unexpected(std::string_view expected) const;

  absl::StatusOr<Value> ParseValue(bool constant);
  absl::StatusOr<TypeName> ParseType();

  // Counts levels of nesting while it lives.
  class Level {
   public:
    explicit Level(ParserBase* parser) : parser_(parser) { ++parser_->level_; }
    ~Level() { --parser_->level_; }

   private:
    ParserBase* const parser_;
  };
  absl::Status CheckLevel() const;

 private:
  absl::StatusOr<Value> ParseList(bool constant);
  absl::StatusOr<Value> ParseObject(bool constant);

  Lexer lexer_;
  Token token_;
  int level_ = 0;
};

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_PARSER_H_
