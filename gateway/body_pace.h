// Whether a caller sends its body fast enough.
#ifndef MILLSTREAM_GATEWAY_BODY_PACE_H_
#define MILLSTREAM_GATEWAY_BODY_PACE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace millstream::gateway {

// Waiting uses up time and bytes bring some back, but never more than there
// was at first: who has sent much may not be silent for longer than others.
// Only waiting for the caller counts. Not thread-safe.
class BodyPace {
 public:
  // How long the next read may take.
  int64_t MsLeft() const { return ms_left_; }

  // A read of `bytes` took `ms`.
  void Count(int64_t ms, size_t bytes) {
    const int64_t brought =
        static_cast<int64_t>(bytes) * 1000 / limits::kHttpBodyBytesPerSecondMin;
    ms_left_ = std::clamp<int64_t>(ms_left_ - ms + brought, 0,
                                   limits::kHttpBodyMsMax);
  }

 private:
  int64_t ms_left_ = limits::kHttpBodyMsMax;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_BODY_PACE_H_
