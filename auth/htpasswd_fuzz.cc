// Any text as a file of users: users whose passwords can be checked in bounded
// time, or a refusal that repeats nothing of it.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/htpasswd_file.h"
#include "auth/password_hash.h"
#include "base/limits.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// Longer than any message about such a file.
constexpr size_t kMessageBytesMax = 200;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto users = millstream::auth::ParseHtpasswd(text);
  if (!users.ok()) {
    Require(users.status().message().size() <= kMessageBytesMax);
    return 0;
  }
  Require(!users->empty());
  for (const auto& [name, hash] : *users) {
    Require(!name.empty() &&
            name.size() <= millstream::limits::kUserNameBytesMax &&
            name.find_first_of(":\n") == std::string_view::npos);
    Require(millstream::auth::CheckHash(hash).ok());
    const double cost = millstream::auth::CostOf(hash);
    Require(std::isfinite(cost) && cost >= 0);
  }
  return 0;
}
