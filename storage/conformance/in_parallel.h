// Many callers at once.
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_IN_PARALLEL_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_IN_PARALLEL_H_

#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace millstream::storage {

// Calls `work` with 0, 1, ... from as many threads at once; returns what the
// calls returned. Thread-safe.
std::vector<absl::Status> InParallel(
    int count, absl::FunctionRef<absl::Status(int)> work);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_IN_PARALLEL_H_
