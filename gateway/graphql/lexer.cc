#include "gateway/graphql/lexer.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"

namespace millstream::gateway::graphql {
namespace {

bool IsNameStart(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_';
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c); }

void AppendUtf8(unsigned code, std::string* out) {
  if (code < 0x80) {
    *out += static_cast<char>(code);
  } else if (code < 0x800) {
    *out += static_cast<char>(0xC0 | code >> 6);
    *out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out += static_cast<char>(0xE0 | code >> 12);
    *out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *out += static_cast<char>(0xF0 | code >> 18);
    *out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    *out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

// Takes the indentation that all lines but the first share, and blank lines at
// both ends, from a block string.
std::string Dedent(std::string_view raw) {
  std::vector<std::string_view> lines;
  for (size_t start = 0; start <= raw.size();) {
    const size_t end = std::min(raw.find_first_of("\r\n", start), raw.size());
    lines.push_back(raw.substr(start, end - start));
    start = end + (raw.substr(end).starts_with("\r\n") ? 2 : 1);
  }
  size_t common = std::string_view::npos;
  for (size_t i = 1; i < lines.size(); ++i) {
    if (IsBlank(lines[i])) continue;
    common = std::min(common, lines[i].find_first_not_of(" \t"));
  }
  for (size_t i = 1; i < lines.size() && common != std::string_view::npos;
       ++i) {
    lines[i].remove_prefix(std::min(common, lines[i].size()));
  }
  size_t first = 0, last = lines.size();
  while (first < last && IsBlank(lines[first])) ++first;
  while (last > first && IsBlank(lines[last - 1])) --last;
  std::string text;
  for (size_t i = first; i < last; ++i) {
    if (i > first) text += '\n';
    text += lines[i];
  }
  return text;
}

}  // namespace

absl::Status Lexer::ErrorAt(size_t offset, std::string_view problem) const {
  const std::string_view before = text_.substr(0, offset);
  const size_t line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t newline = before.rfind('\n');
  const size_t column =
      newline == std::string_view::npos ? offset + 1 : offset - newline;
  return InvalidParameter("GraphQL syntax error at line ", line, ", column ",
                          column, ": ", problem);
}

void Lexer::SkipIgnored() {
  while (pos_ < text_.size()) {
    const char c = text_[pos_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',') {
      ++pos_;
    } else if (c == '#') {
      pos_ = std::min(text_.find_first_of("\r\n", pos_), text_.size());
    } else if (At("\xEF\xBB\xBF")) {
      pos_ += 3;
    } else {
      return;
    }
  }
}

absl::StatusOr<Token> Lexer::Next() {
  SkipIgnored();
  Token token;
  token.offset = pos_;
  if (pos_ == text_.size()) return token;
  if (++tokens_ > limits::kGraphqlTokensMax) {
    return InvalidParameter("A GraphQL query has at most ",
                            limits::kGraphqlTokensMax, " tokens.");
  }
  const char c = text_[pos_];
  if (IsNameStart(c)) {
    while (pos_ < text_.size() && IsNamePart(text_[pos_])) ++pos_;
    token.kind = Token::Kind::kName;
    token.text = text_.substr(token.offset, pos_ - token.offset);
    return token;
  }
  if (IsDigit(c) || c == '-') return Number(std::move(token));
  if (At("\"\"\"")) return BlockString(std::move(token));
  if (c == '"') return String(std::move(token));
  if (At("...")) {
    token.text = "...";
  } else if (std::string_view("!$&()[]{}:=|@").find(c) !=
             std::string_view::npos) {
    token.text = c;
  } else {
    return ErrorAt(pos_, "unexpected character.");
  }
  token.kind = Token::Kind::kPunctuator;
  pos_ += token.text.size();
  return token;
}

absl::StatusOr<Token> Lexer::Number(Token token) {
  const auto digits = [this] {
    const size_t start = pos_;
    while (pos_ < text_.size() && IsDigit(text_[pos_])) ++pos_;
    return pos_ > start;
  };
  token.kind = Token::Kind::kInt;
  if (At("-")) ++pos_;
  const bool zero = At("0");
  const size_t start = pos_;
  bool good = digits() && !(zero && pos_ - start > 1);
  if (At(".")) {
    token.kind = Token::Kind::kFloat;
    ++pos_;
    good = digits() && good;
  }
  if (At("e") || At("E")) {
    token.kind = Token::Kind::kFloat;
    ++pos_;
    if (At("+") || At("-")) ++pos_;
    good = digits() && good;
  }
  if (pos_ < text_.size() && (IsNameStart(text_[pos_]) || text_[pos_] == '.')) {
    good = false;
  }
  if (!good) return ErrorAt(token.offset, "this is no number.");
  token.text = text_.substr(token.offset, pos_ - token.offset);
  return token;
}

absl::StatusOr<Token> Lexer::String(Token token) {
  token.kind = Token::Kind::kString;
  ++pos_;
  while (true) {
    if (pos_ == text_.size() || At("\n") || At("\r")) {
      return ErrorAt(token.offset, "this string does not end.");
    }
    const char c = text_[pos_++];
    if (c == '"') return token;
    if (c == '\\') {
      RETURN_IF_ERROR(Escape(&token.text));
    } else {
      token.text += c;
    }
  }
}

absl::Status Lexer::Escape(std::string* out) {
  static constexpr std::string_view kLetters = "\"\\/bfnrt";
  static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const size_t start = pos_ - 1;
  const char c = pos_ < text_.size() ? text_[pos_++] : '\0';
  if (const size_t i = kLetters.find(c);
      c != '\0' && i != std::string_view::npos) {
    *out += kMeanings[i];
    return absl::OkStatus();
  }
  if (c != 'u') return ErrorAt(start, "this is no escape.");
  ASSIGN_OR_RETURN(unsigned code, CodePoint());
  if (code >= 0xD800 && code < 0xDC00 && At("\\u")) {
    pos_ += 2;
    ASSIGN_OR_RETURN(const unsigned low, CodePoint());
    if (low < 0xDC00 || low > 0xDFFF) {
      return ErrorAt(start, "this is half a surrogate pair.");
    }
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  if ((code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF) {
    return ErrorAt(start, "this is no character.");
  }
  AppendUtf8(code, out);
  return absl::OkStatus();
}

absl::StatusOr<unsigned> Lexer::CodePoint() {
  const size_t start = pos_;
  const bool braces = At("{");
  if (braces) ++pos_;
  const size_t end = braces ? std::min(text_.find('}', pos_), text_.size())
                            : std::min(pos_ + 4, text_.size());
  if (end == pos_ || end - pos_ > 8 || (!braces && end - pos_ != 4) ||
      (braces && end == text_.size())) {
    return ErrorAt(start, "this is no character.");
  }
  unsigned code = 0;
  for (; pos_ < end; ++pos_) {
    const unsigned char c = static_cast<unsigned char>(text_[pos_]);
    if (!absl::ascii_isxdigit(c)) {
      return ErrorAt(start, "this is no character.");
    }
    code = code * 16 + (IsDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  if (braces) ++pos_;
  return code;
}

absl::StatusOr<Token> Lexer::BlockString(Token token) {
  token.kind = Token::Kind::kString;
  pos_ += 3;
  std::string raw;
  while (!At("\"\"\"")) {
    if (pos_ >= text_.size()) {
      return ErrorAt(token.offset, "this string does not end.");
    }
    if (At("\\\"\"\"")) {
      raw += "\"\"\"";
      pos_ += 4;
    } else {
      raw += text_[pos_++];
    }
  }
  pos_ += 3;
  token.text = Dedent(raw);
  return token;
}

}  // namespace millstream::gateway::graphql
