// Ids of experiments as callers write them.
#ifndef MILLSTREAM_STORAGE_EXPERIMENT_ID_H_
#define MILLSTREAM_STORAGE_EXPERIMENT_ID_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace millstream::storage {

// The number that `text` is; blanks around it do not matter, as in Python.
// INVALID_PARAMETER_VALUE: no decimal number of 64 bits. Thread-safe.
absl::StatusOr<int64_t> ParseExperimentId(std::string_view text);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_EXPERIMENT_ID_H_
