#include "server/metric_frames.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/metric_rules.h"

namespace millstream::server {
namespace {

using storage::MetricPoint;

// What a name costs besides its characters.
constexpr size_t kNameOverheadBytes =
    sizeof(std::string) + 2 * sizeof(std::string_view) + sizeof(uint64_t);

template <typename... Text>
absl::Status FrameError(uint64_t number, const Text&... text) {
  return InvalidParameter("Frame ", number, ": ", text...);
}

// Puts the numbers in place of their differences; false if one is negative.
bool Accumulate(google::protobuf::RepeatedField<int64_t>* deltas) {
  uint64_t sum = 0;
  int64_t signs = 0;
  for (int64_t& number : *deltas) {
    sum += static_cast<uint64_t>(number);
    number = static_cast<int64_t>(sum);
    signs |= number;
  }
  return signs >= 0;
}

}  // namespace

void MetricFrames::StartAfter(uint64_t number) {
  last_ = number;
  frames_.clear();
}

absl::Status MetricFrames::Add(v1::MetricFrame* frame) {
  RETURN_IF_ERROR(AddKeys(*frame));
  const uint64_t number = frame->number();
  if (number == 0) {
    return InvalidParameter("A frame without a 'number'; the first is 1.");
  }
  if (number <= last_) return absl::OkStatus();
  if (number != last_ + 1) {
    return FrameError(number, "the one before it is missing; the next is ",
                      last_ + 1, ".");
  }
  RETURN_IF_ERROR(CheckColumns(frame));
  last_ = number;
  frames_.push_back(frame);
  return absl::OkStatus();
}

absl::Status MetricFrames::AddKeys(const v1::MetricFrame& frame) {
  if (frame.new_keys_size() == 0) return absl::OkStatus();
  if (name_of_index_.size() + frame.new_keys_size() >
      limits::kMetricStreamKeysMax) {
    return FrameError(frame.number(), "a stream's dictionary may hold at most ",
                      limits::kMetricStreamKeysMax,
                      " names. Open another stream, under another writer id.");
  }
  for (int i = 0; i < frame.new_keys_size(); ++i) {
    const std::string& key = frame.new_keys(i);
    auto found = name_of_.find(key);
    if (found == name_of_.end()) {
      RETURN_IF_ERROR(CheckMetricKey(
          StrCat("frame ", frame.number(), " new_keys[", i, "]."), key));
      names_.push_back(key);
      found = name_of_.emplace(names_.back(), names_.size() - 1).first;
      key_bytes_ += key.size() + kNameOverheadBytes;
    }
    name_of_index_.push_back(found->second);
    key_bytes_ += sizeof(uint32_t);
  }
  frame_of_name_.resize(names_.size());
  return absl::OkStatus();
}

absl::Status MetricFrames::CheckColumns(v1::MetricFrame* frame) {
  if (frame->columns_size() > limits::kMetricFrameColumnsMax) {
    return FrameError(frame->number(), "it may hold at most ",
                      limits::kMetricFrameColumnsMax,
                      " columns. Split it into several frames.");
  }
  int64_t points = 0;
  for (int i = 0; i < frame->columns_size(); ++i) {
    v1::MetricColumn* column = frame->mutable_columns(i);
    RETURN_IF_ERROR(CheckColumn(frame->number(), i, column));
    points += column->values_size();
  }
  if (points <= limits::kMetricFramePointsMax) return absl::OkStatus();
  return FrameError(frame->number(), "it may hold at most ",
                    limits::kMetricFramePointsMax, " points, this one holds ",
                    points, ". Split it into several frames.");
}

absl::Status MetricFrames::CheckColumn(uint64_t number, int index,
                                       v1::MetricColumn* column) {
  if (column->key() >= name_of_index_.size()) {
    return FrameError(number, "columns[", index, "] has key ", column->key(),
                      ", and the dictionary holds ", name_of_index_.size(),
                      " names.");
  }
  column->set_key(name_of_index_[column->key()]);
  uint64_t& frame_of_name = frame_of_name_[column->key()];
  if (frame_of_name == number) {
    return FrameError(number, "columns[", index, "] is the second one of '",
                      names_[column->key()], "'; put all its points in one.");
  }
  frame_of_name = number;
  if (column->step_deltas_size() != column->values_size() ||
      column->timestamp_deltas_size() != column->values_size()) {
    return FrameError(number, "columns[", index, "] holds ",
                      column->values_size(), " values, ",
                      column->step_deltas_size(), " steps and ",
                      column->timestamp_deltas_size(),
                      " timestamps; there must be as many of each.");
  }
  Accumulate(column->mutable_step_deltas());
  if (Accumulate(column->mutable_timestamp_deltas())) return absl::OkStatus();
  const std::string field =
      StrCat("frame ", number, " columns[", index, "].");
  for (int64_t timestamp : column->timestamp_deltas()) {
    RETURN_IF_ERROR(CheckTimestamp(field, timestamp));
  }
  return absl::OkStatus();
}

void MetricFrames::Build(MetricBatch* batch) const {
  // By name: its points, then the place of the next.
  std::vector<size_t> next(names_.size());
  size_t points = 0;
  for (const v1::MetricFrame* frame : frames_) {
    for (const v1::MetricColumn& column : frame->columns()) {
      next[column.key()] += column.values_size();
      points += column.values_size();
    }
  }
  batch->series.clear();
  batch->points.resize(points);
  size_t begin = 0;
  for (size_t name = 0; name < next.size(); ++name) {
    const size_t count = next[name];
    next[name] = begin;
    if (count == 0) continue;
    batch->series.push_back(
        {names_[name],
         absl::MakeConstSpan(batch->points).subspan(begin, count)});
    begin += count;
  }
  for (const v1::MetricFrame* frame : frames_) {
    for (const v1::MetricColumn& column : frame->columns()) {
      MetricPoint* out = batch->points.data() + next[column.key()];
      const int count = column.values_size();
      next[column.key()] += count;
      const int64_t* timestamps = column.timestamp_deltas().data();
      const int64_t* steps = column.step_deltas().data();
      const double* values = column.values().data();
      for (int i = 0; i < count; ++i) {
        out[i] = {timestamps[i], steps[i], KeptValue(values[i])};
      }
    }
  }
}

void MetricFrames::Clear() { frames_.clear(); }

}  // namespace millstream::server
