// How much may be in memory that callers have sent and that is not kept yet.
#ifndef MILLSTREAM_SERVER_INGEST_BUDGET_H_
#define MILLSTREAM_SERVER_INGEST_BUDGET_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/limits.h"
#include "base/reading.h"

namespace millstream::server {

// Bytes of writes that wait, of all calls together. Streams stop reading before
// the budget is used up, so that single calls find room beside them; single
// calls that find none are refused.
//
// Thread-safe.
class IngestBudget {
 public:
  explicit IngestBudget(size_t bytes_max = limits::kIngestBytesMax,
                        size_t stream_bytes_max = limits::kIngestStreamBytesMax)
      : bytes_max_(bytes_max), stream_bytes_max_(stream_bytes_max) {}

  // For a single call: false, and nothing is taken, if there is no room. What
  // comes alone is taken whatever its size.
  [[nodiscard]] bool TryTake(size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // For a stream's message, which is in memory already.
  void Take(size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives back what was taken, and maybe calls those who wait; so the caller
  // holds no lock that they take.
  void Give(size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  // True: a stream may read its next message. Otherwise `go_on` is called
  // once, from another thread or in another's Give, when it may ask again.
  bool MayRead(const std::function<void()>& go_on) ABSL_LOCKS_EXCLUDED(mutex_);

  size_t used() const ABSL_LOCKS_EXCLUDED(mutex_);

  void AppendReadings(Readings* readings) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const size_t bytes_max_;
  const size_t stream_bytes_max_;
  mutable absl::Mutex mutex_;
  size_t used_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_INGEST_BUDGET_H_
