// Whatever is sent as a token, and whatever is inside a well-sealed one: a
// refusal, or a position whose values have the columns' types and which is
// written as it was read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/error.h"
#include "base/limits.h"
#include "storage/search/page_token.h"

namespace {

using millstream::storage::search::CursorColumn;
using millstream::storage::search::CursorType;
using millstream::storage::search::DecodePageToken;
using millstream::storage::search::EncodePageToken;
using millstream::storage::search::Fingerprint;

constexpr uint64_t kQuery = 42;

void Require(bool condition) {
  if (!condition) std::abort();
}

void Check(std::string_view token) {
  static const std::vector<CursorColumn>* const kColumns =
      new std::vector<CursorColumn>{{CursorType::kInteger, false},
                                    {CursorType::kReal, true},
                                    {CursorType::kText, false}};
  const auto position = DecodePageToken(token, kQuery, *kColumns);
  if (!position.ok()) {
    Require(millstream::GetErrorCode(position.status()) ==
            millstream::v1::INVALID_PARAMETER_VALUE);
    return;
  }
  Require(position->offset >= 0);
  if (!position->cursor.empty()) {
    Require(position->cursor.size() == 3);
    Require(std::holds_alternative<int64_t>(position->cursor[0]));
    Require(!std::holds_alternative<std::string>(position->cursor[1]));
    Require(std::holds_alternative<std::string>(position->cursor[2]));
  }
  const auto again =
      DecodePageToken(EncodePageToken(kQuery, *position), kQuery, *kColumns);
  Require(again.ok() && again->offset == position->offset);
  Require(again->cursor == position->cursor);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Check(text);
  Fingerprint seal;
  seal.Add(kQuery);
  seal.Add(std::string_view(text));
  std::string sealed = text;
  for (int i = 0; i < 8; ++i) {
    sealed += static_cast<char>(seal.value() >> (8 * i));
  }
  Check(absl::WebSafeBase64Escape(sealed));
  return 0;
}
