#include "storage/sql/unique_id.h"

#include <atomic>
#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"

namespace millstream::storage::sql {

std::string NewOrderedId() {
  // Milliseconds in the upper bits, a counter in the lower 16.
  static std::atomic<uint64_t> last{0};
  const uint64_t now = static_cast<uint64_t>(Clock::System().NowMs()) << 16;
  uint64_t before = last.load(std::memory_order_relaxed);
  uint64_t mine;
  do {
    mine = before < now ? now : before + 1;
  } while (!last.compare_exchange_weak(before, mine,
                                       std::memory_order_relaxed));
  thread_local absl::BitGen random;
  return absl::StrCat(
      absl::Hex(mine, absl::kZeroPad16),
      absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

}  // namespace millstream::storage::sql
