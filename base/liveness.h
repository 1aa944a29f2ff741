// Whether somebody still waits for an answer: long work asks now and then.
#ifndef MILLSTREAM_BASE_LIVENESS_H_
#define MILLSTREAM_BASE_LIVENESS_H_

#include "absl/status/status.h"

namespace millstream {

// Thread-safe.
class Liveness {
 public:
  virtual ~Liveness() = default;

  // OK, CANCELLED or DEADLINE_EXCEEDED; once an error, always one.
  virtual absl::Status Alive() const = 0;

  // For work that nobody waits for and that is to be finished all the same;
  // lives for ever.
  static const Liveness& Always();
};

}  // namespace millstream

#endif  // MILLSTREAM_BASE_LIVENESS_H_
