// Whatever frames a stream brings: no crash, and what is taken keeps the rules.
// The input is a sequence of frames, each after its length in two bytes.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>

#include "millstream/v1/streams.pb.h"
#include "server/metric_frames.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using millstream::server::MetricBatch;
  using millstream::server::MetricFrames;
  namespace v1 = millstream::v1;
  MetricFrames frames;
  std::deque<v1::MetricFrame> kept;
  while (size >= 2) {
    size_t length = static_cast<size_t>(data[0]) << 8 | data[1];
    data += 2;
    size -= 2;
    if (length > size) length = size;
    v1::MetricFrame* frame = &kept.emplace_back();
    const uint64_t last = frames.last();
    if (frame->ParseFromArray(data, static_cast<int>(length))) {
      const absl::Status status = frames.Add(frame);
      Require(frames.last() == last || (status.ok() &&
                                        frames.last() == last + 1));
    }
    data += length;
    size -= length;
  }
  MetricBatch batch;
  frames.Build(&batch);
  size_t points = 0;
  for (const auto& series : batch.series) {
    Require(!series.key.empty() && !series.points.empty());
    for (const auto& point : series.points) {
      Require(point.timestamp_ms >= 0 && !std::isinf(point.value));
    }
    points += series.points.size();
  }
  Require(points == batch.points.size());
  return 0;
}
