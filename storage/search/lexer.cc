#include "storage/search/lexer.h"

#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace millstream::storage::search {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsOperator(char c) {
  return c == '<' || c == '>' || c == '=' || c == '!' || c == '~';
}
bool IsQuote(char c) { return c == '\'' || c == '"' || c == '`'; }

class Lexer {
 public:
  Lexer(std::string_view text, const LexerOptions& options)
      : text_(text), options_(options) {}

  absl::StatusOr<std::vector<Token>> Run() {
    for (SkipSpace(); at_ < text_.size(); SkipSpace()) {
      if (absl::Status status = Next(); !status.ok()) return status;
    }
    Add(TokenKind::kEnd, at_);
    return std::move(tokens_);
  }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void Add(TokenKind kind, size_t begin) {
    tokens_.push_back({kind, text_.substr(begin, at_ - begin), begin});
  }

  void SkipSpace() {
    while (at_ < text_.size()) {
      std::string_view rest = text_.substr(at_);
      if (!IsSpaceCharacter(TakeCharacter(&rest))) return;
      at_ = text_.size() - rest.size();
    }
  }

  // Moves over word characters; false if there is none.
  bool SkipWord() {
    const size_t begin = at_;
    while (at_ < text_.size()) {
      std::string_view rest = text_.substr(at_);
      if (!IsWordCharacter(TakeCharacter(&rest))) break;
      at_ = text_.size() - rest.size();
    }
    return at_ != begin;
  }

  bool AtWord(size_t ahead = 0) const {
    if (at_ + ahead >= text_.size()) return false;
    std::string_view rest = text_.substr(at_ + ahead);
    return IsWordCharacter(TakeCharacter(&rest));
  }

  // Moves over a quoted part. A doubled quote, or in ' and " one behind a
  // backslash, does not end it, unless nothing after it does: then the last
  // such quote was the end ('C:\' is a string of three characters).
  absl::Status SkipQuoted() {
    const size_t begin = at_;
    const char quote = text_[at_];
    size_t fallback = 0;
    for (size_t i = begin + 1; i < text_.size(); ++i) {
      const bool escape = quote != '`' && text_[i] == '\\' &&
                          i + 1 < text_.size() && text_[i + 1] == quote;
      if (text_[i] != quote && !escape) continue;
      const bool doubled =
          !escape && i + 1 < text_.size() && text_[i + 1] == quote;
      if (!escape && !doubled) {
        at_ = i + 1;
        return absl::OkStatus();
      }
      fallback = escape ? i + 2 : i + 1;
      ++i;
    }
    if (fallback != 0) {
      at_ = fallback;
      return absl::OkStatus();
    }
    return InvalidParameter("The quote ", std::string_view(&quote, 1),
                            " at column ", ColumnOf(text_, begin),
                            " is not closed.");
  }

  // After the first part of a name: its further parts.
  absl::Status FinishName(size_t begin, bool one_double_quoted) {
    TokenKind kind =
        one_double_quoted ? TokenKind::kDoubleQuoted : TokenKind::kName;
    while (Peek() == '.' || AtLooseJoint()) {
      kind = TokenKind::kName;
      if (text_[at_++] != '.') {
        SkipWord();
        continue;
      }
      const size_t part = at_;
      if (IsQuote(Peek())) {
        if (absl::Status status = SkipQuoted(); !status.ok()) return status;
      } else if (SkipWord() && !options_.numeric_parts && AllDigits(part)) {
        return InvalidParameter(
            "The key at column ", ColumnOf(text_, part),
            " looks like a number. Put it in backticks.");
      }
    }
    Add(kind, begin);
    return absl::OkStatus();
  }

  // Something like the '-' in a-b.
  bool AtLooseJoint() const {
    return options_.loose_names && at_ + 1 < text_.size() &&
           std::string_view("+-*/%@#&|^").find(text_[at_]) !=
               std::string_view::npos &&
           AtWord(1);
  }

  bool AllDigits(size_t begin) const {
    for (size_t i = begin; i < at_; ++i) {
      if (!IsDigit(text_[i])) return false;
    }
    return true;
  }

  void SkipDigits() {
    while (IsDigit(Peek())) ++at_;
  }

  // Moves over a number; false, and not moved, if there is none: "1a" and "0x1"
  // are names.
  bool SkipNumber() {
    const size_t begin = at_;
    if (Peek() == '-') ++at_;
    const size_t digits = at_;
    SkipDigits();
    bool any = at_ != digits;
    if (Peek() == '.') {
      const size_t point = at_++;
      SkipDigits();
      any = any || at_ != point + 1;
    }
    if (any && (Peek() == 'e' || Peek() == 'E')) {
      const size_t sign = Peek(1) == '-' || Peek(1) == '+' ? 1 : 0;
      if (IsDigit(Peek(1 + sign))) {
        at_ += 1 + sign;
        SkipDigits();
      }
    }
    if (any && !AtWord()) return true;
    at_ = begin;
    return false;
  }

  absl::Status Next() {
    const size_t begin = at_;
    const char c = text_[at_];
    const bool point = c == '.' && IsDigit(Peek(1));
    if ((IsDigit(c) || c == '-' || point) && SkipNumber()) {
      Add(TokenKind::kNumber, begin);
      return absl::OkStatus();
    }
    if (c == '\'') {
      if (absl::Status status = SkipQuoted(); !status.ok()) return status;
      Add(TokenKind::kString, begin);
      return absl::OkStatus();
    }
    if (c == '"' || c == '`') {
      if (absl::Status status = SkipQuoted(); !status.ok()) return status;
      return FinishName(begin, c == '"');
    }
    if (IsOperator(c)) {
      while (IsOperator(Peek())) ++at_;
      Add(TokenKind::kOperator, begin);
      return absl::OkStatus();
    }
    if (c == '(' || c == ')' || c == ',') {
      ++at_;
      Add(c == '('   ? TokenKind::kOpen
          : c == ')' ? TokenKind::kClose
                     : TokenKind::kComma,
          begin);
      return absl::OkStatus();
    }
    if (SkipWord()) return FinishName(begin, /*one_double_quoted=*/false);
    return InvalidParameter("Unexpected character at column ",
                            ColumnOf(text_, begin),
                            ". Names with other characters than letters, "
                            "digits, _ and . go in backticks, text in quotes.");
  }

  const std::string_view text_;
  const LexerOptions options_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view text,
                                            const LexerOptions& options) {
  return Lexer(text, options).Run();
}

size_t ColumnOf(std::string_view text, size_t offset) {
  return CountCharacters(text.substr(0, offset)) + 1;
}

}  // namespace millstream::storage::search
