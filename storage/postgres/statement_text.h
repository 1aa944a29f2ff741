// The text of a statement as PostgreSQL takes it, and what its server knows of
// it; and the values bound to it.
#ifndef MILLSTREAM_STORAGE_POSTGRES_STATEMENT_TEXT_H_
#define MILLSTREAM_STORAGE_POSTGRES_STATEMENT_TEXT_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millstream::storage::postgres {

// PostgreSQL's numbers of types.
using TypeId = unsigned int;
inline constexpr TypeId kUnknownType = 0;
inline constexpr TypeId kBoolType = 16;
inline constexpr TypeId kBytesType = 17;
inline constexpr TypeId kInt8Type = 20;
inline constexpr TypeId kInt2Type = 21;
inline constexpr TypeId kInt4Type = 23;
inline constexpr TypeId kTextType = 25;
inline constexpr TypeId kFloat4Type = 700;
inline constexpr TypeId kFloat8Type = 701;
inline constexpr TypeId kNumericType = 1700;

// `sql` with each "?" outside of quotes made "$1", "$2", ...; their number in
// *count. Thread-safe.
std::string NumberPlaceholders(std::string_view sql, int* count);

// A statement of one connection.
struct StatementText {
  std::string sql;         // as callers write it
  std::string postgres;    // as the server takes it
  int parameters = 0;
  // The name by which the server has it prepared, for these types; empty: it
  // has not.
  std::string name;
  std::vector<TypeId> types;
};

// A name for it on the server that no other text and no other types have:
// poolers hand one session to several connections, of several processes, and
// whose statement a name is must not depend on who prepared it. Thread-safe.
std::string NameOf(const StatementText& text);

// What is bound. Parameters have the type of the value that is bound to them,
// not one that the server makes out: a number compares with columns of any
// number type, and no value is taken for another type's text. Not thread-safe.
class Parameters {
 public:
  explicit Parameters(int count);

  int count() const { return static_cast<int>(types_.size()); }
  // Whether an index was bound that the statement does not have.
  bool out_of_range() const { return out_of_range_; }
  void Clear();

  // Indexes are counted from 1; text is borrowed.
  void SetNull(int index);
  void SetInt64(int index, int64_t value);
  void SetDouble(int index, double value);
  void SetBool(int index, bool value);
  void SetText(int index, std::string_view value);
  void SetBytes(int index, std::string_view value);

  // As libpq takes them. NULL has no type of its own.
  const std::vector<TypeId>& types() const { return types_; }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  void Set(int index, TypeId type, std::string_view value, bool binary);
  char* Digits(int index) { return digits_[index - 1].data(); }
  bool Has(int index);

  std::vector<TypeId> types_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
  // Texts of numbers.
  std::vector<std::array<char, 32>> digits_;
  bool out_of_range_ = false;
};

// The types to prepare for so that both `known` and `bound` fit: NULL fits any.
// `changed` tells whether that is another list than `known`.
std::vector<TypeId> MergeTypes(const std::vector<TypeId>& known,
                               const std::vector<TypeId>& bound,
                               bool* changed);

}  // namespace millstream::storage::postgres

#endif  // MILLSTREAM_STORAGE_POSTGRES_STATEMENT_TEXT_H_
