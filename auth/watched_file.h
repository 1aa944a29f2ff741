// A small file that may change while the server runs.
#ifndef MILLSTREAM_AUTH_WATCHED_FILE_H_
#define MILLSTREAM_AUTH_WATCHED_FILE_H_

#include <cstdint>
#include <string>
#include <tuple>

#include "absl/status/statusor.h"

namespace millstream::auth {

// Not thread-safe.
class WatchedFile {
 public:
  WatchedFile(std::string path, size_t bytes_max)
      : path_(std::move(path)), bytes_max_(bytes_max) {}

  // Whether the file is another one than when Read() read it, by what the file
  // system says of it.
  bool HasChanged() const;

  // All of it. NOT_FOUND or INVALID_ARGUMENT saying what is wrong with the
  // file; the next HasChanged() compares with this one all the same.
  absl::StatusOr<std::string> Read();

  const std::string& path() const { return path_; }

 private:
  // Device, file, size, and times of changes in nanoseconds.
  using Stamp = std::tuple<uint64_t, uint64_t, int64_t, int64_t, int64_t>;
  Stamp Look() const;

  const std::string path_;
  const size_t bytes_max_;
  Stamp seen_{};
};

}  // namespace millstream::auth

#endif  // MILLSTREAM_AUTH_WATCHED_FILE_H_
