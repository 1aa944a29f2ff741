// Bytes of a connection that were read and not yet understood.
#ifndef MILLSTREAM_GATEWAY_HTTP_IN_BUFFER_H_
#define MILLSTREAM_GATEWAY_HTTP_IN_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "boost/asio/buffer.hpp"

namespace millstream::gateway {

// Not thread-safe.
class InBuffer {
 public:
  std::string_view view() const {
    return std::string_view(bytes_.get() + begin_, end_ - begin_);
  }
  bool empty() const { return begin_ == end_; }
  void Consume(size_t count) { begin_ += count; }

  // Room for a read of `expected` bytes, within bounds.
  boost::asio::mutable_buffer Prepare(uint64_t expected) {
    const size_t room = std::clamp<uint64_t>(expected, kIdleBytes, kReadBytes);
    const size_t used = end_ - begin_;
    if (capacity_ - used < room) {
      Reallocate(used + room);
    } else if (capacity_ - end_ < room) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, used);
      begin_ = 0;
      end_ = used;
    }
    return boost::asio::buffer(bytes_.get() + end_, capacity_ - end_);
  }
  void Commit(size_t count) { end_ += count; }
  // Gives memory back that only a large request needed.
  void Shrink() {
    if (capacity_ > kIdleBytes && end_ - begin_ <= kIdleBytes) {
      Reallocate(kIdleBytes);
    }
  }

 private:
  // What one read takes at most, and what a connection keeps between requests.
  static constexpr size_t kReadBytes = 64 * 1024;
  static constexpr size_t kIdleBytes = 4 * 1024;

  // REQUIRES: what is there fits.
  void Reallocate(size_t capacity) {
    auto moved = std::make_unique_for_overwrite<char[]>(capacity);
    std::copy(bytes_.get() + begin_, bytes_.get() + end_, moved.get());
    end_ -= begin_;
    begin_ = 0;
    bytes_ = std::move(moved);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HTTP_IN_BUFFER_H_
