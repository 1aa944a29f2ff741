// What tests of all folders share.
#ifndef MILLSTREAM_BASE_TESTING_H_
#define MILLSTREAM_BASE_TESTING_H_

#include <cstdint>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/error.h"

namespace millstream {

// The code that a caller would see; OK as ERROR_CODE_UNSPECIFIED. Thread-safe.
inline v1::ErrorCode CodeOf(const absl::Status& status) {
  return status.ok() ? v1::ERROR_CODE_UNSPECIFIED : GetErrorCode(status);
}

// Stands still unless it is set. Set while nobody reads it.
class TestClock final : public Clock {
 public:
  explicit TestClock(int64_t now_ms) : now_ms(now_ms) {}
  int64_t NowMs() const override { return now_ms; }

  int64_t now_ms;
};

}  // namespace millstream

#endif  // MILLSTREAM_BASE_TESTING_H_
