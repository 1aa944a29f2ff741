// Bytes of a connection that were read and not yet understood.
#ifndef MILLSTREAM_GATEWAY_HTTP_IN_BUFFER_H_
#define MILLSTREAM_GATEWAY_HTTP_IN_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "boost/asio/buffer.hpp"

namespace millstream::gateway {

// Not thread-safe.
class InBuffer {
 public:
  std::string_view view() const {
    return std::string_view(bytes_.data() + begin_, end_ - begin_);
  }
  bool empty() const { return begin_ == end_; }
  void Consume(size_t count) { begin_ += count; }

  // Room for a read. It grows with the reads that fill it.
  boost::asio::mutable_buffer Prepare() {
    if (begin_ > 0) {
      std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (bytes_.size() - end_ < kIdleBytes || full_) {
      bytes_.resize(std::max(
          kIdleBytes, end_ + std::clamp(bytes_.size(), kIdleBytes,
                                        kReadBytes)));
    }
    return boost::asio::buffer(bytes_.data() + end_, bytes_.size() - end_);
  }
  void Commit(size_t count) {
    full_ = count == bytes_.size() - end_ && bytes_.size() < 2 * kReadBytes;
    end_ += count;
  }
  // Gives memory back that only a large request needed.
  void Shrink() {
    if (bytes_.size() <= kIdleBytes || end_ - begin_ > kIdleBytes) return;
    std::vector<char> smaller(kIdleBytes);
    std::copy(bytes_.begin() + begin_, bytes_.begin() + end_, smaller.begin());
    end_ -= begin_;
    begin_ = 0;
    bytes_ = std::move(smaller);
    full_ = false;
  }

 private:
  // What one read takes at most, and what a connection keeps between requests.
  static constexpr size_t kReadBytes = 64 * 1024;
  static constexpr size_t kIdleBytes = 4 * 1024;

  std::vector<char> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool full_ = false;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HTTP_IN_BUFFER_H_
