// Tokens of the GraphQL language (October 2021).
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_LEXER_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_LEXER_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millstream::gateway::graphql {

struct Token {
  enum class Kind { kEnd, kPunctuator, kName, kInt, kFloat, kString };

  Kind kind = Kind::kEnd;
  // A string's content; everything else as written. "..." is one punctuator.
  std::string text;
  // Bytes from the start of the document.
  size_t offset = 0;
};

// Not thread-safe.
class Lexer {
 public:
  // `text` must outlive the lexer.
  explicit Lexer(std::string_view text) : text_(text) {}

  // The next token. INVALID_PARAMETER_VALUE, with line and column: something
  // that is no token, or more than limits::kGraphqlTokensMax of them.
  absl::StatusOr<Token> Next();

  // INVALID_PARAMETER_VALUE that `problem` is at `offset`.
  absl::Status ErrorAt(size_t offset, std::string_view problem) const;

 private:
  void SkipIgnored();
  absl::StatusOr<Token> Number(Token token);
  absl::StatusOr<Token> String(Token token);
  absl::StatusOr<Token> BlockString(Token token);
  absl::Status Escape(std::string* out);
  // Four hexadecimal digits at pos_, or those between braces.
  absl::StatusOr<unsigned> CodePoint();
  bool At(std::string_view prefix) const {
    return text_.substr(pos_).starts_with(prefix);
  }

  const std::string_view text_;
  size_t pos_ = 0;
  int tokens_ = 0;
};

}  // namespace millstream::gateway::graphql

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_LEXER_H_
