// Points as frames of one stream, whose dictionary of keys it holds.
#ifndef MILLSTREAM_CLIENT_FRAME_ENCODER_H_
#define MILLSTREAM_CLIENT_FRAME_ENCODER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "client/log_buffer.h"
#include "millstream/v1/streams.pb.h"

namespace millstream::client {

// Not thread-safe.
class FrameEncoder {
 public:
  using Names = std::function<const std::string&(uint32_t key)>;

  // Fills `frame`. False, and nothing is changed: the dictionary has no room
  // for the keys; an empty one has room for any frame.
  bool Encode(uint64_t number, absl::Span<const LoggedPoint> points,
              const Names& names, v1::MetricFrame* frame);

 private:
  // What is known of a key.
  struct Key {
    // Its index in the dictionary; only if `known`.
    uint32_t index = 0;
    bool known = false;
    // Its column in the frame, if `frame` is that of the last Encode.
    uint32_t column = 0;
    uint64_t frame = 0;
  };
  struct Column {
    uint32_t key = 0;
    int count = 0;
    int64_t* steps = nullptr;
    int64_t* timestamps = nullptr;
    double* values = nullptr;
    uint64_t step = 0;
    uint64_t timestamp = 0;
  };

  // Finds the columns of a frame.
  void Group(absl::Span<const LoggedPoint> points);

  std::vector<Key> keys_;
  uint32_t known_ = 0;
  uint64_t frame_ = 0;
  std::vector<Column> columns_;
};

}  // namespace millstream::client

#endif  // MILLSTREAM_CLIENT_FRAME_ENCODER_H_
