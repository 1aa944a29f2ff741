#include "server/history_token.h"

#include <xxhash.h>

#include <bit>
#include <cstring>

#include "absl/strings/escaping.h"
#include "base/error.h"
#include "base/str_cat.h"

namespace millstream::server {
namespace {

constexpr char kFormat = 1;
static_assert(std::endian::native == std::endian::little);

// The bytes of a token, in the order of their writing.
struct __attribute__((packed)) TokenBytes {
  char format = kFormat;
  int64_t timestamp_ms = 0;
  int64_t step = 0;
  double value = 0;
  uint64_t hash = 0;
};
static_assert(sizeof(TokenBytes) == 33);

uint64_t Hash(const TokenBytes& bytes, std::string_view run_id,
              std::string_view metric_key) {
  const std::string text = StrCat(run_id.size(), ":", run_id, metric_key);
  return XXH3_64bits_withSeed(&bytes, offsetof(TokenBytes, hash),
                              XXH3_64bits(text.data(), text.size()));
}

}  // namespace

std::string EncodeHistoryToken(std::string_view run_id,
                               std::string_view metric_key,
                               const storage::MetricPoint& last) {
  TokenBytes bytes;
  bytes.timestamp_ms = last.timestamp_ms;
  bytes.step = last.step;
  bytes.value = last.value;
  bytes.hash = Hash(bytes, run_id, metric_key);
  return absl::WebSafeBase64Escape(absl::string_view(
      reinterpret_cast<const char*>(&bytes), sizeof(bytes)));
}

absl::StatusOr<storage::MetricPoint> DecodeHistoryToken(
    std::string_view token, std::string_view run_id,
    std::string_view metric_key) {
  TokenBytes bytes;
  std::string decoded;
  bool good = absl::WebSafeBase64Unescape(AbslView(token), &decoded) &&
              decoded.size() == sizeof(bytes);
  if (good) {
    std::memcpy(&bytes, decoded.data(), sizeof(bytes));
    good = bytes.format == kFormat &&
           bytes.hash == Hash(bytes, run_id, metric_key);
  }
  if (!good) {
    return InvalidParameter(
        "Invalid 'page_token': send the next_page_token of the page before, "
        "unchanged, with the same run and metric.");
  }
  return storage::MetricPoint{bytes.timestamp_ms, bytes.step, bytes.value};
}

}  // namespace millstream::server
