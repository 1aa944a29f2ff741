// Any text as a file of tokens: hashes of tokens and whose they are, or a
// refusal.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/token_file.h"
#include "base/limits.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

constexpr size_t kDigestDigits = 64;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto tokens = millstream::auth::ParseTokens(text);
  if (!tokens.ok()) return 0;
  for (const auto& [digest, user] : *tokens) {
    Require(digest.size() == kDigestDigits);
    Require(std::all_of(digest.begin(), digest.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }));
    Require(!user.empty() &&
            user.size() <= millstream::limits::kUserNameBytesMax);
  }
  return 0;
}
