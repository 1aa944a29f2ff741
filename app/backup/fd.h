// Owns a file descriptor.
#ifndef MILLSTREAM_APP_BACKUP_FD_H_
#define MILLSTREAM_APP_BACKUP_FD_H_

#include <unistd.h>

#include <utility>

namespace millstream::app {

// Not thread-safe.
class Fd {
 public:
  // Negative: none.
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace millstream::app

#endif  // MILLSTREAM_APP_BACKUP_FD_H_
