// Time as the server sees it; tests set their own.
#ifndef MILLSTREAM_BASE_CLOCK_H_
#define MILLSTREAM_BASE_CLOCK_H_

#include <cstdint>

namespace millstream {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Milliseconds since the Unix epoch.
  virtual int64_t NowMs() const = 0;

  // The machine's clock; lives for ever.
  static const Clock& System();
};

}  // namespace millstream

#endif  // MILLSTREAM_BASE_CLOCK_H_
