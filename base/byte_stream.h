// Bytes that come or go in pieces, so that files of any size pass through in
// bounded memory.
#ifndef MILLSTREAM_BASE_BYTE_STREAM_H_
#define MILLSTREAM_BASE_BYTE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millstream {

// Not thread-safe: one user at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills up to buffer.size() bytes and returns how many; 0 is the end.
  // Errors are final.
  virtual absl::StatusOr<size_t> Read(std::span<char> buffer) = 0;

  // Continues at `offset` bytes from the start. UNIMPLEMENTED if this source
  // only goes forward.
  virtual absl::Status Seek(int64_t offset) = 0;
};

// Not thread-safe: one user at a time. Destroyed before Finish returned OK, it
// leaves nothing behind.
class ByteSink {
 public:
  virtual ~ByteSink() = default;

  // Takes all of `data`. Errors are final.
  virtual absl::Status Write(std::string_view data) = 0;

  // Everything written is in place, at the durability level of the store that
  // gave this sink, once this returns OK. No call may follow.
  virtual absl::Status Finish() = 0;
};

}  // namespace millstream

#endif  // MILLSTREAM_BASE_BYTE_STREAM_H_
