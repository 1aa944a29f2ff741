#include "storage/postgres/array_text.h"

#include <charconv>
#include <cmath>
#include <variant>

namespace millstream::storage::postgres {
namespace {

template <typename Number>
void AppendNumber(Number number, std::string* out) {
  char digits[32];
  out->append(digits, std::to_chars(digits, digits + sizeof(digits), number)
                          .ptr);
}

// Writes one element, and tells its type.
struct Writer {
  std::string_view operator()(std::monostate) const {
    out->append("NULL");
    return "";
  }
  std::string_view operator()(int64_t value) const {
    AppendNumber(value, out);
    return "BIGINT";
  }
  std::string_view operator()(double value) const {
    if (std::isinf(value)) {
      out->append(value > 0 ? "Infinity" : "-Infinity");
    } else {
      AppendNumber(value, out);
    }
    return "DOUBLE PRECISION";
  }
  std::string_view operator()(bool value) const {
    out->push_back(value ? 't' : 'f');
    return "BOOLEAN";
  }
  std::string_view operator()(std::string_view value) const {
    out->push_back('"');
    for (const char c : value) {
      if (c == '"' || c == '\\') out->push_back('\\');
      out->push_back(c);
    }
    out->push_back('"');
    return "TEXT";
  }

  std::string* const out;
};

}  // namespace

std::string ArrayText(absl::Span<const sql::Cell> cells, size_t column,
                      size_t width, std::string_view* type) {
  *type = "TEXT";
  std::string out = "{";
  for (size_t i = column; i < cells.size(); i += width) {
    if (i >= width) out.push_back(',');
    const std::string_view found = std::visit(Writer{&out}, cells[i]);
    if (!found.empty()) *type = found;
  }
  out.push_back('}');
  return out;
}

}  // namespace millstream::storage::postgres
