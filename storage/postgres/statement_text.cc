#include "storage/postgres/statement_text.h"

#include <xxhash.h>

#include <charconv>
#include <cmath>

#include "absl/strings/escaping.h"
#include "base/str_cat.h"

namespace millstream::storage::postgres {

std::string NumberPlaceholders(std::string_view sql, int* count) {
  std::string out;
  out.reserve(sql.size() + 64);
  *count = 0;
  char quote = 0;
  for (const char c : sql) {
    if (quote != 0) {
      // A doubled quote ends and begins again.
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '?') {
      StrAppend(&out, "$", ++*count);
      continue;
    }
    out += c;
  }
  return out;
}

std::string NameOf(const StatementText& text) {
  // The types are of a fixed length, so that no two pairs are one key.
  std::string key(reinterpret_cast<const char*>(text.types.data()),
                  text.types.size() * sizeof(TypeId));
  key += text.postgres;
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(key.data(), key.size(), text.types.size());
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return StrCat("ms_", absl::BytesToHexString(absl::string_view(
                           reinterpret_cast<const char*>(canonical.digest),
                           sizeof(canonical.digest))));
}

Parameters::Parameters(int count)
    : types_(count, kUnknownType),
      values_(count, nullptr),
      lengths_(count, 0),
      formats_(count, 0),
      digits_(count) {}

void Parameters::Clear() {
  for (int i = 1; i <= count(); ++i) SetNull(i);
  out_of_range_ = false;
}

bool Parameters::Has(int index) {
  if (index >= 1 && index <= count()) return true;
  out_of_range_ = true;
  return false;
}

void Parameters::Set(int index, TypeId type, std::string_view value,
                     bool binary) {
  types_[index - 1] = type;
  values_[index - 1] = value.data() == nullptr ? "" : value.data();
  lengths_[index - 1] = static_cast<int>(value.size());
  formats_[index - 1] = binary ? 1 : 0;
}

void Parameters::SetNull(int index) {
  if (!Has(index)) return;
  types_[index - 1] = kUnknownType;
  values_[index - 1] = nullptr;
  lengths_[index - 1] = 0;
  formats_[index - 1] = 0;
}

void Parameters::SetInt64(int index, int64_t value) {
  if (!Has(index)) return;
  char* const end =
      std::to_chars(Digits(index), Digits(index) + 31, value).ptr;
  *end = '\0';
  Set(index, kInt8Type, {Digits(index), size_t(end - Digits(index))}, false);
}

void Parameters::SetDouble(int index, double value) {
  if (!Has(index)) return;
  if (std::isinf(value)) {
    return Set(index, kFloat8Type, value > 0 ? "Infinity" : "-Infinity",
               false);
  }
  char* const end =
      std::to_chars(Digits(index), Digits(index) + 31, value).ptr;
  *end = '\0';
  Set(index, kFloat8Type, {Digits(index), size_t(end - Digits(index))}, false);
}

void Parameters::SetBool(int index, bool value) {
  if (Has(index)) Set(index, kBoolType, value ? "t" : "f", false);
}

// In the binary form, which is the text itself, with its length: the other ends
// at a NUL, and would keep half of such a text.
void Parameters::SetText(int index, std::string_view value) {
  if (Has(index)) Set(index, kTextType, value, true);
}

void Parameters::SetBytes(int index, std::string_view value) {
  if (Has(index)) Set(index, kBytesType, value, true);
}

std::vector<TypeId> MergeTypes(const std::vector<TypeId>& known,
                               const std::vector<TypeId>& bound,
                               bool* changed) {
  if (known.size() != bound.size()) {
    *changed = true;
    return bound;
  }
  std::vector<TypeId> merged = known;
  *changed = false;
  for (size_t i = 0; i < bound.size(); ++i) {
    if (bound[i] == kUnknownType || bound[i] == merged[i]) continue;
    merged[i] = bound[i];
    *changed = true;
  }
  return merged;
}

}  // namespace millstream::storage::postgres
