#include "storage/search/page_token.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"

namespace millstream::storage::search {
namespace {

constexpr char kFormat = 1;
constexpr char kNull = 0;
// Far beyond any table, and sums of it cannot overflow.
constexpr uint64_t kOffsetMax = uint64_t{1} << 53;

void PutFixed(uint64_t value, std::string* out) {
  for (int i = 0; i < 8; ++i) *out += static_cast<char>(value >> (8 * i));
}

void PutVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) *out += static_cast<char>(value | 0x80);
  *out += static_cast<char>(value);
}

void PutValue(const SqlValue& value, std::string* out) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    *out += static_cast<char>(CursorType::kInteger);
    PutFixed(static_cast<uint64_t>(*integer), out);
  } else if (const auto* real = std::get_if<double>(&value)) {
    *out += static_cast<char>(CursorType::kReal);
    PutFixed(std::bit_cast<uint64_t>(*real), out);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    *out += static_cast<char>(CursorType::kText);
    PutVarint(text->size(), out);
    *out += *text;
  } else {
    *out += kNull;
  }
}

uint64_t Seal(uint64_t fingerprint, std::string_view body) {
  Fingerprint seal;
  seal.Add(fingerprint);
  seal.Add(body);
  return seal.value();
}

std::string Finish(uint64_t fingerprint, std::string body) {
  PutFixed(Seal(fingerprint, body), &body);
  return absl::WebSafeBase64Escape(body);
}

// Reads what the functions above put; every Take fails for good at the end.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool done() const { return bytes_.empty(); }

  bool TakeByte(char* byte) {
    if (bytes_.empty()) return false;
    *byte = bytes_.front();
    bytes_.remove_prefix(1);
    return true;
  }

  bool TakeFixed(uint64_t* value) {
    if (bytes_.size() < 8) return false;
    *value = 0;
    for (int i = 0; i < 8; ++i) {
      *value |= uint64_t{static_cast<uint8_t>(bytes_[i])} << (8 * i);
    }
    bytes_.remove_prefix(8);
    return true;
  }

  bool TakeVarint(uint64_t* value) {
    *value = 0;
    char byte;
    for (int shift = 0; shift < 63 && TakeByte(&byte); shift += 7) {
      *value |= uint64_t{static_cast<uint8_t>(byte) & 0x7fu} << shift;
      if (!(byte & 0x80)) return true;
    }
    return false;
  }

  bool TakeValue(const CursorColumn& column, SqlValue* value) {
    char kind;
    if (!TakeByte(&kind)) return false;
    if (kind == kNull) {
      *value = std::monostate();
      return column.nullable;
    }
    if (kind != static_cast<char>(column.type)) return false;
    uint64_t number;
    switch (column.type) {
      case CursorType::kInteger:
        if (!TakeFixed(&number)) return false;
        *value = static_cast<int64_t>(number);
        return true;
      case CursorType::kReal:
        if (!TakeFixed(&number)) return false;
        *value = std::bit_cast<double>(number);
        return !std::isnan(std::bit_cast<double>(number));
      case CursorType::kText:
        if (!TakeVarint(&number) || number > bytes_.size()) return false;
        *value = std::string(bytes_.substr(0, number));
        bytes_.remove_prefix(number);
        return true;
    }
    return false;
  }

 private:
  std::string_view bytes_;
};

bool ReadPosition(std::string_view body, absl::Span<const CursorColumn> columns,
                  PagePosition* position) {
  Reader reader(body);
  char format;
  uint64_t offset;
  uint64_t count;
  if (!reader.TakeByte(&format) || format != kFormat ||
      !reader.TakeVarint(&offset) || offset > kOffsetMax ||
      !reader.TakeVarint(&count)) {
    return false;
  }
  position->offset = static_cast<int64_t>(offset);
  if (count != 0 && count != columns.size()) return false;
  position->cursor.resize(count);
  for (uint64_t i = 0; i < count; ++i) {
    if (!reader.TakeValue(columns[i], &position->cursor[i])) return false;
  }
  return reader.done();
}

}  // namespace

void Fingerprint::Add(std::string_view bytes) {
  Add(uint64_t{bytes.size()});
  for (const char c : bytes) AddByte(static_cast<uint8_t>(c));
}

void Fingerprint::Add(uint64_t number) {
  for (int i = 0; i < 8; ++i) AddByte(static_cast<uint8_t>(number >> (8 * i)));
}

std::string EncodePageToken(uint64_t fingerprint,
                            const PagePosition& position) {
  std::string head(1, kFormat);
  PutVarint(static_cast<uint64_t>(position.offset), &head);
  std::string body = head;
  PutVarint(position.cursor.size(), &body);
  for (const SqlValue& value : position.cursor) PutValue(value, &body);
  std::string token = Finish(fingerprint, std::move(body));
  if (token.size() <= limits::kPageTokenBytesMax) return token;
  PutVarint(0, &head);
  return Finish(fingerprint, std::move(head));
}

absl::StatusOr<PagePosition> DecodePageToken(
    std::string_view token, uint64_t fingerprint,
    absl::Span<const CursorColumn> columns) {
  std::string body;
  if (token.size() > limits::kPageTokenBytesMax ||
      !absl::WebSafeBase64Unescape(AbslView(token), &body) ||
      body.size() < 8) {
    return InvalidParameter(
        "Invalid page_token. Use the next_page_token of an answer.");
  }
  const std::string_view sealed = body;
  uint64_t seal;
  Reader(sealed.substr(sealed.size() - 8)).TakeFixed(&seal);
  const std::string_view content = sealed.substr(0, sealed.size() - 8);
  PagePosition position;
  if (seal != Seal(fingerprint, content) ||
      !ReadPosition(content, columns, &position)) {
    return InvalidParameter(
        "This page_token does not belong to this search. Use the "
        "next_page_token of an answer, and leave filter, order and ids as they "
        "were.");
  }
  return position;
}

}  // namespace millstream::storage::search
