#include "storage/search/filter_ast.h"

#include <string>

#include "base/str_cat.h"

namespace millstream::storage::search {

std::string Name::ToString() const {
  return has_prefix ? StrCat(prefix, ".", key) : std::string(key);
}

std::string Literal::ToString() const { return std::string(text); }

std::string Comparison::ToString() const {
  std::string out = StrCat("(", op, " ", name.ToString());
  if (is_list) out += " (";
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0 || !is_list) out += ' ';
    out += values[i].ToString();
  }
  if (is_list) out += ')';
  return out + ')';
}

std::string Filter::ToString() const {
  std::string out = "(AND";
  for (const Comparison& comparison : comparisons) {
    StrAppend(&out, " ", comparison.ToString());
  }
  return out + ')';
}

std::string OrderTerm::ToString() const {
  return StrCat(ascending ? "(ASC " : "(DESC ", name.ToString(), ")");
}

}  // namespace millstream::storage::search
