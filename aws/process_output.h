// What a program of the operator's writes, within bounds.
#ifndef MILLSTREAM_AWS_PROCESS_OUTPUT_H_
#define MILLSTREAM_AWS_PROCESS_OUTPUT_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace millstream::aws {

// Runs `command` by the shell and returns what it wrote to its standard output
// once it has ended well; its errors go where ours do. It and what it started
// are killed when it takes longer than `time_max` or writes more than
// `bytes_max`. Messages say what went wrong and repeat nothing of command and
// output. kDeadlineExceeded, kResourceExhausted, or kUnavailable: it cannot be
// started, or ended otherwise. Blocks. Thread-safe.
absl::StatusOr<std::string> OutputOf(const std::string& command,
                                     absl::Duration time_max, size_t bytes_max);

}  // namespace millstream::aws

#endif  // MILLSTREAM_AWS_PROCESS_OUTPUT_H_
