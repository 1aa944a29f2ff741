#include "gateway/request_id.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"

namespace millstream::gateway {
namespace {

bool IsPlain(std::string_view id) {
  return !id.empty() && id.size() <= limits::kRequestIdLengthMax &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  std::string_view("-_.:/+=").find(c) != std::string_view::npos;
         });
}

}  // namespace

std::string RequestIdOf(const RequestHead& head) {
  const std::string_view given = head.Header("x-request-id").value_or("");
  if (IsPlain(given)) return std::string(given);
  thread_local absl::BitGen random;
  return absl::StrCat(
      absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

}  // namespace millstream::gateway
