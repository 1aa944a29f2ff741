// The frames of one metric stream: its dictionary, the rules of streams.proto,
// and what several frames are as one batch.
#ifndef MILLSTREAM_SERVER_METRIC_FRAMES_H_
#define MILLSTREAM_SERVER_METRIC_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "millstream/v1/streams.pb.h"
#include "storage/metric_store.h"

namespace millstream::server {

// Room that the batches of streams are built in, one at a time. Its series
// borrow from it, and from the dictionary of the stream that built them.
struct MetricBatch {
  // No key twice.
  std::vector<storage::SeriesAppend> series;
  std::vector<storage::MetricPoint> points;
};

// Not thread-safe.
class MetricFrames {
 public:
  // Frames up to `number` are kept already. Forgets frames, not the dictionary.
  void StartAfter(uint64_t number);

  // Takes a frame: reads its names, and unless it was taken before checks it
  // and keeps a pointer to it until Clear. May change the frame. After an error
  // (INVALID_PARAMETER_VALUE) the frame has left nothing but names.
  absl::Status Add(v1::MetricFrame* frame);

  // The number of the last frame taken, and whether there are any since Clear.
  uint64_t last() const { return last_; }
  bool empty() const { return frames_.empty(); }

  // The points of all frames since Clear.
  void Build(MetricBatch* batch) const;
  void Clear();

  // Bytes that the dictionary takes.
  size_t key_bytes() const { return key_bytes_; }

 private:
  absl::Status AddKeys(const v1::MetricFrame& frame);
  absl::Status CheckColumns(v1::MetricFrame* frame);
  absl::Status CheckColumn(uint64_t number, int index,
                           v1::MetricColumn* column);

  // The names, each once, and which one an index of the dictionary stands for.
  std::deque<std::string> names_;
  absl::flat_hash_map<std::string_view, uint32_t> name_of_;
  std::vector<uint32_t> name_of_index_;
  size_t key_bytes_ = 0;
  uint64_t last_ = 0;
  // With names in place of indices, and steps and timestamps in place of their
  // differences.
  std::vector<const v1::MetricFrame*> frames_;
  // By name: the last frame that had it.
  std::vector<uint64_t> frame_of_name_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_METRIC_FRAMES_H_
