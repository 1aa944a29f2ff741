#include "storage/rocksdb/metric_block.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/status_macros.h"
#include "storage/rocksdb/coding.h"

namespace millstream::storage {
namespace {

// Values reach the disk: do not change.
enum ColumnEncoding : uint8_t {
  kDeltaOfDelta = 1,
  kConstantDelta = 2,
};
enum ValueEncoding : uint8_t {
  kRaw = 1,
  kXor = 2,
};
constexpr uint8_t kFlagStepOrdered = 1;

absl::Status Damaged(const char* what) {
  return absl::DataLossError(what);
}

uint64_t ValueBits(double value) {
  // One NaN, so that equal points have equal bytes.
  return std::bit_cast<uint64_t>(ValueOfOrder(ValueOrder(value)));
}

// Appends the column that `get` reads from the points.
template <typename Get>
void PutColumn(absl::Span<const MetricPoint> points, Get get,
               std::string* out) {
  const uint64_t delta = get(points[1]) - get(points[0]);
  const bool constant = [&] {
    for (size_t i = 2; i < points.size(); ++i) {
      if (get(points[i]) - get(points[i - 1]) != delta) return false;
    }
    return true;
  }();
  out->push_back(static_cast<char>(constant ? kConstantDelta : kDeltaOfDelta));
  PutVarint(Zigzag(delta), out);
  if (constant) return;
  uint64_t previous = delta;
  for (size_t i = 2; i < points.size(); ++i) {
    const uint64_t next = get(points[i]) - get(points[i - 1]);
    PutVarint(Zigzag(next - previous), out);
    previous = next;
  }
}

// Calls set(i, value) for the values 1 to count - 1 of a column.
template <typename Set>
bool GetColumn(std::string_view* in, uint64_t first, size_t count, Set set) {
  if (in->empty()) return false;
  const auto encoding = static_cast<uint8_t>(in->front());
  in->remove_prefix(1);
  uint64_t coded;
  if (!GetVarint(in, &coded)) return false;
  uint64_t delta = Unzigzag(coded);
  uint64_t value = first + delta;
  set(1, value);
  if (encoding == kConstantDelta) {
    for (size_t i = 2; i < count; ++i) set(i, value += delta);
    return true;
  }
  if (encoding != kDeltaOfDelta) return false;
  for (size_t i = 2; i < count; ++i) {
    if (!GetVarint(in, &coded)) return false;
    delta += Unzigzag(coded);
    set(i, value += delta);
  }
  return true;
}

void PutValues(absl::Span<const MetricPoint> points, std::string* out) {
  const size_t begin = out->size();
  const size_t raw_bytes = (points.size() - 1) * sizeof(uint64_t);
  out->push_back(static_cast<char>(kXor));
  uint64_t previous = ValueBits(points[0].value);
  for (size_t i = 1; i < points.size(); ++i) {
    const uint64_t bits = ValueBits(points[i].value);
    const uint64_t changed = bits ^ previous;
    previous = bits;
    if (changed == 0) {
      out->push_back(0);
      continue;
    }
    const int leading = std::countl_zero(changed) / 8;
    const int trailing = std::countr_zero(changed) / 8;
    const int significant = 8 - leading - trailing;
    char bytes[1 + sizeof(uint64_t)];
    bytes[0] = static_cast<char>(leading << 4 | significant);
    const uint64_t shifted = changed >> (8 * trailing);
    std::memcpy(bytes + 1, &shifted, sizeof(shifted));
    out->append(bytes, 1 + significant);
  }
  if (out->size() - begin - 1 <= raw_bytes) return;
  out->resize(begin);
  out->push_back(static_cast<char>(kRaw));
  for (size_t i = 1; i < points.size(); ++i) {
    PutFixed64(ValueBits(points[i].value), out);
  }
}

bool GetXorValues(std::string_view* in, absl::Span<MetricPoint> points) {
  uint64_t bits = ValueBits(points[0].value);
  for (size_t i = 1; i < points.size(); ++i) {
    if (in->empty()) return false;
    const auto control = static_cast<uint8_t>(in->front());
    in->remove_prefix(1);
    const int leading = control >> 4;
    const int significant = control & 15;
    if (leading + significant > 8 ||
        in->size() < static_cast<size_t>(significant)) {
      return false;
    }
    if (significant > 0) {
      uint64_t changed = 0;
      std::memcpy(&changed, in->data(), significant);
      in->remove_prefix(significant);
      bits ^= changed << (8 * (8 - leading - significant));
    }
    points[i].value = std::bit_cast<double>(bits);
  }
  return true;
}

bool GetValues(std::string_view* in, absl::Span<MetricPoint> points) {
  if (in->empty()) return false;
  const auto encoding = static_cast<uint8_t>(in->front());
  in->remove_prefix(1);
  if (encoding == kXor) return GetXorValues(in, points);
  if (encoding != kRaw) return false;
  for (size_t i = 1; i < points.size(); ++i) {
    uint64_t bits;
    if (!GetFixed64(in, &bits)) return false;
    points[i].value = std::bit_cast<double>(bits);
  }
  return true;
}

bool DecodeColumns(std::string_view body, const MetricPoint& first,
                   absl::Span<MetricPoint> points) {
  points[0] = first;
  return GetColumn(&body, static_cast<uint64_t>(first.timestamp_ms),
                   points.size(),
                   [&](size_t i, uint64_t value) {
                     points[i].timestamp_ms = static_cast<int64_t>(value);
                   }) &&
         GetColumn(&body, static_cast<uint64_t>(first.step), points.size(),
                   [&](size_t i, uint64_t value) {
                     points[i].step = static_cast<int64_t>(value);
                   }) &&
         GetValues(&body, points) && body.empty();
}

}  // namespace

void EncodeBlock(absl::Span<const MetricPoint> points, std::string* out) {
  const MetricPoint& first = points.front();
  const MetricPoint& last = points.back();
  int64_t step_min = first.step;
  int64_t step_max = first.step;
  bool step_ordered = true;
  for (size_t i = 1; i < points.size(); ++i) {
    step_min = std::min(step_min, points[i].step);
    step_max = std::max(step_max, points[i].step);
    step_ordered = step_ordered && StepLess(points[i - 1], points[i]);
  }
  const auto first_step = static_cast<uint64_t>(first.step);
  out->push_back(static_cast<char>(kBlockFormat));
  out->push_back(static_cast<char>(step_ordered ? kFlagStepOrdered : 0));
  PutVarint(points.size(), out);
  PutVarint(static_cast<uint64_t>(last.timestamp_ms) -
                static_cast<uint64_t>(first.timestamp_ms),
            out);
  PutVarint(Zigzag(static_cast<uint64_t>(last.step) - first_step), out);
  PutFixed64(ValueBits(last.value), out);
  PutVarint(first_step - static_cast<uint64_t>(step_min), out);
  PutVarint(static_cast<uint64_t>(step_max) - first_step, out);
  auto timestamp = [](const MetricPoint& point) {
    return static_cast<uint64_t>(point.timestamp_ms);
  };
  auto step = [](const MetricPoint& point) {
    return static_cast<uint64_t>(point.step);
  };
  PutColumn(points, timestamp, out);
  PutColumn(points, step, out);
  PutValues(points, out);
}

absl::Status ParseBlockHeader(std::string_view block, const MetricPoint& first,
                              BlockHeader* header) {
  std::string_view in = block;
  if (in.size() < 2) return Damaged("block cut short");
  if (static_cast<uint8_t>(in[0]) != kBlockFormat) {
    return Damaged("block of a format that this version does not know");
  }
  header->step_ordered = (in[1] & kFlagStepOrdered) != 0;
  in.remove_prefix(2);
  uint64_t count, span, last_step, last_value, below, above;
  if (!GetVarint(&in, &count) || !GetVarint(&in, &span) ||
      !GetVarint(&in, &last_step) || !GetFixed64(&in, &last_value) ||
      !GetVarint(&in, &below) || !GetVarint(&in, &above)) {
    return Damaged("block header cut short");
  }
  if (count < 2 || count > kBlockPointsMax) return Damaged("block count");
  const auto first_step = static_cast<uint64_t>(first.step);
  header->count = count;
  header->last.timestamp_ms =
      static_cast<int64_t>(static_cast<uint64_t>(first.timestamp_ms) + span);
  header->last.step = static_cast<int64_t>(first_step + Unzigzag(last_step));
  header->last.value = std::bit_cast<double>(last_value);
  header->step_min = static_cast<int64_t>(first_step - below);
  header->step_max = static_cast<int64_t>(first_step + above);
  header->body_offset = block.size() - in.size();
  if (header->step_min > first.step || header->step_max < first.step ||
      !HistoryLess(first, header->last)) {
    return Damaged("block bounds");
  }
  return absl::OkStatus();
}

absl::Status DecodeBlock(std::string_view block, const MetricPoint& first,
                         std::vector<MetricPoint>* points) {
  BlockHeader header;
  RETURN_IF_ERROR(ParseBlockHeader(block, first, &header));
  const size_t begin = points->size();
  // A point takes a byte of the values column at least: no count makes us
  // allocate much more than the block's own size.
  if (header.count > block.size() + 1) return Damaged("block count");
  points->resize(begin + header.count);
  auto decoded = absl::MakeSpan(*points).subspan(begin);
  bool good = DecodeColumns(block.substr(header.body_offset), first, decoded) &&
              SamePoint(decoded.back(), header.last);
  for (size_t i = 1; good && i < decoded.size(); ++i) {
    good = HistoryLess(decoded[i - 1], decoded[i]) &&
           decoded[i].step >= header.step_min &&
           decoded[i].step <= header.step_max;
  }
  if (good) return absl::OkStatus();
  points->resize(begin);
  return Damaged("block body");
}

}  // namespace millstream::storage
