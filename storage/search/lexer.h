// Words of the search language, as MLflow's own parser of SQL sees them.
//
//   name        letters, digits, '_' of any script; parts joined by dots, any
//               part but the first in quotes: metrics.acc, tags.`my tag`,
//               tags."a".b, `run name`
//   number      12, -0.5, .5, 1e-3
//   string      'text'; "text" where it stands alone is one as well. Quotes
//               within are doubled or follow a backslash, and both stay as
//               they are written.
//   operator    a run of < > = ! ~
//   ( ) ,
//
// Blanks of any script stand between. Nothing else is in the language.
#ifndef MILLSTREAM_STORAGE_SEARCH_LEXER_H_
#define MILLSTREAM_STORAGE_SEARCH_LEXER_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace millstream::storage::search {

// How names are written differs a little by place.
struct LexerOptions {
  // Letters and digits may have one of + - * / % @ # & | ^ between them, as in
  // metrics.val-acc.
  bool loose_names = false;
  // A part of a name may be digits alone, as in metrics.1.
  bool numeric_parts = false;
};

enum class TokenKind {
  kName,
  kNumber,
  kString,        // in single quotes
  kDoubleQuoted,  // a name or a string: the grammar decides
  kOperator,
  kOpen,
  kClose,
  kComma,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;  // as written, quotes included; part of the input
  size_t offset = 0;      // of `text` in the input, in bytes
};

// The tokens of `text` with one kEnd at the end. INVALID_PARAMETER_VALUE: a
// character or quote that means nothing. The tokens borrow `text`.
// Linear in the length of the text. Thread-safe.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view text,
                                            const LexerOptions& options);

// The column of a byte of `text`, counted in characters from 1.
size_t ColumnOf(std::string_view text, size_t offset);

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_LEXER_H_
