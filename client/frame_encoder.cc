#include "client/frame_encoder.h"

#include <utility>

#include "base/limits.h"

namespace millstream::client {

void FrameEncoder::Group(absl::Span<const LoggedPoint> points) {
  ++frame_;
  columns_.clear();
  for (const LoggedPoint& point : points) {
    if (point.key >= keys_.size()) keys_.resize(point.key + 1);
    Key& key = keys_[point.key];
    if (key.frame != frame_) {
      key.frame = frame_;
      key.column = static_cast<uint32_t>(columns_.size());
      columns_.push_back({.key = point.key});
    }
    ++columns_[key.column].count;
  }
}

bool FrameEncoder::Encode(uint64_t number, absl::Span<const LoggedPoint> points,
                          const Names& names, v1::MetricFrame* frame) {
  Group(points);
  size_t unknown = 0;
  for (const Column& column : columns_) {
    if (!keys_[column.key].known) ++unknown;
  }
  if (known_ + unknown > limits::kMetricStreamKeysMax) return false;
  frame->set_number(number);
  for (Column& column : columns_) {
    Key& key = keys_[column.key];
    if (!key.known) {
      key.known = true;
      key.index = known_++;
      frame->add_new_keys(names(column.key));
    }
    v1::MetricColumn* out = frame->add_columns();
    out->set_key(key.index);
    const int count = column.count;
    out->mutable_step_deltas()->Reserve(count);
    out->mutable_timestamp_deltas()->Reserve(count);
    out->mutable_values()->Reserve(count);
    column.steps = out->mutable_step_deltas()->AddNAlreadyReserved(count);
    column.timestamps =
        out->mutable_timestamp_deltas()->AddNAlreadyReserved(count);
    column.values = out->mutable_values()->AddNAlreadyReserved(count);
  }
  for (const LoggedPoint& point : points) {
    Column& column = columns_[keys_[point.key].column];
    const auto step = static_cast<uint64_t>(point.step);
    const auto timestamp = static_cast<uint64_t>(point.timestamp_ms);
    *column.steps++ =
        static_cast<int64_t>(step - std::exchange(column.step, step));
    *column.timestamps++ = static_cast<int64_t>(
        timestamp - std::exchange(column.timestamp, timestamp));
    *column.values++ = point.value;
  }
  return true;
}

}  // namespace millstream::client
