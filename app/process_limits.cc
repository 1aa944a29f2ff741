#include "app/process_limits.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <limits>

#include "absl/time/time.h"

namespace millstream::app {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(5);
// Growth after which it is worth a try at once, and how long otherwise to wait
// between tries.
constexpr int64_t kMuchBytes = int64_t{64} << 20;
constexpr absl::Duration kTryEvery = absl::Seconds(60);
// Pieces of this size come from the system and go back to it as they are
// freed; left alone, the allocator would learn to keep up to 32 MiB pieces.
constexpr int kOwnMappingBytes = 1 << 20;
constexpr int kKeptAtTopBytes = 4 << 20;

}  // namespace

int RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur,
                                           std::numeric_limits<int>::max()));
}

int64_t ResidentBytes() {
  FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  long all = 0;
  long resident = 0;
  const int read = std::fscanf(file, "%ld %ld", &all, &resident);
  std::fclose(file);
  return read == 2 ? int64_t{resident} * sysconf(_SC_PAGESIZE) : 0;
}

MemoryKeeper::MemoryKeeper() {
  mallopt(M_MMAP_THRESHOLD, kOwnMappingBytes);
  mallopt(M_TRIM_THRESHOLD, kKeptAtTopBytes);
  thread_ = std::thread([this] { Work(); });
}

MemoryKeeper::~MemoryKeeper() {
  stop_.Notify();
  thread_.join();
}

void MemoryKeeper::Work() {
  int64_t after_bytes = ResidentBytes();
  absl::Duration since;
  while (!stop_.WaitForNotificationWithTimeout(kLookEvery)) {
    since += kLookEvery;
    const int64_t now_bytes = ResidentBytes();
    const bool grown = now_bytes > after_bytes + kMuchBytes;
    const bool large = now_bytes > 2 * kMuchBytes && since >= kTryEvery;
    if (!grown && !large) continue;
    malloc_trim(0);
    after_bytes = ResidentBytes();
    since = absl::ZeroDuration();
  }
}

}  // namespace millstream::app
