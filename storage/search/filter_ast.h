// What the parser makes of a filter or an order_by term: plain values, checked
// against the grammar only. Every node prints itself, for tests and for people
// who look for the reason of a refusal.
#ifndef MILLSTREAM_STORAGE_SEARCH_FILTER_AST_H_
#define MILLSTREAM_STORAGE_SEARCH_FILTER_AST_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millstream::storage::search {

// metrics.acc: a prefix and the rest after the first dot, both as written,
// quotes included. A bare name has no prefix.
struct Name {
  bool has_prefix = false;
  std::string_view prefix;
  std::string_view key;
  size_t offset = 0;  // where it begins in the text, in bytes

  std::string ToString() const;
};

enum class LiteralKind {
  kNumber,
  kString,        // 'text'
  kDoubleQuoted,  // "text"
  kWord,          // unquoted text
};

// One value, as written; text_without_quotes() for what the quotes hold.
struct Literal {
  LiteralKind kind = LiteralKind::kWord;
  std::string_view text;
  size_t offset = 0;

  bool quoted() const {
    return kind == LiteralKind::kString || kind == LiteralKind::kDoubleQuoted;
  }
  std::string_view text_without_quotes() const {
    return quoted() ? text.substr(1, text.size() - 2) : text;
  }
  std::string ToString() const;
};

// name OPERATOR value, name OPERATOR (value, ...), or name IS [NOT] NULL.
struct Comparison {
  Name name;
  // Words in capitals with one blank between them: "NOT IN", "IS NULL".
  std::string op;
  // The last word of the operator was written in capitals.
  bool op_in_capitals = true;
  size_t op_offset = 0;
  bool is_list = false;
  std::vector<Literal> values;  // one, unless is_list; none for IS [NOT] NULL

  std::string ToString() const;
};

// Conditions that must all hold.
struct Filter {
  std::vector<Comparison> comparisons;

  // (AND (= params.lr '0.1') (IN run_id ('a' 'b')))
  std::string ToString() const;
};

struct OrderTerm {
  Name name;
  bool ascending = true;

  std::string ToString() const;  // (DESC metrics.acc)
};

}  // namespace millstream::storage::search

#endif  // MILLSTREAM_STORAGE_SEARCH_FILTER_AST_H_
