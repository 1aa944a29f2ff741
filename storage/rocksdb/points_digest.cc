#include "storage/rocksdb/points_digest.h"

#include <algorithm>
#include <bit>

#include "storage/rocksdb/coding.h"

namespace millstream::storage {
namespace {

// Reach the disk: do not change. Which points are the same as another one.
constexpr uint8_t kFloatFlag = 1;
constexpr uint8_t kLastIsFirst = 2;
constexpr uint8_t kMinIsFirst = 4;
constexpr uint8_t kMinIsLast = 8;
constexpr uint8_t kMaxIsFirst = 16;
constexpr uint8_t kMaxIsLast = 32;
constexpr uint8_t kNaNFlag = 64;
constexpr uint8_t kNoNumbers = 128;

constexpr uint8_t kStepOrderedFlag = 1;

uint64_t Unsigned(int64_t number) { return static_cast<uint64_t>(number); }

bool IsFloat(double value) {
  return value != value || static_cast<float>(value) == value;
}

void PutValue(double value, bool narrow, std::string* out) {
  if (narrow) {
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value));
    out->append(reinterpret_cast<const char*>(&bits), sizeof(bits));
  } else {
    PutFixed64(std::bit_cast<uint64_t>(value), out);
  }
}

bool GetValue(std::string_view* in, bool narrow, double* value) {
  if (!narrow) {
    uint64_t bits;
    if (!GetFixed64(in, &bits)) return false;
    *value = std::bit_cast<double>(bits);
    return true;
  }
  uint32_t bits;
  if (in->size() < sizeof(bits)) return false;
  std::memcpy(&bits, in->data(), sizeof(bits));
  in->remove_prefix(sizeof(bits));
  *value = std::bit_cast<float>(bits);
  return true;
}

// Steps and times of `point`, which is not before `first` in step order.
void PutPlace(const MetricPoint& point, const MetricPoint& first,
              std::string* out) {
  PutVarint(Unsigned(point.step) - Unsigned(first.step), out);
  PutVarint(
      Zigzag(Unsigned(point.timestamp_ms) - Unsigned(first.timestamp_ms)),
      out);
}

bool GetPlace(std::string_view* in, const MetricPoint& first,
              MetricPoint* point) {
  uint64_t step, time;
  if (!GetVarint(in, &step) || !GetVarint(in, &time)) return false;
  point->step = static_cast<int64_t>(Unsigned(first.step) + step);
  point->timestamp_ms =
      static_cast<int64_t>(Unsigned(first.timestamp_ms) + Unzigzag(time));
  return true;
}

uint8_t SameFlags(const PointsDigest& digest) {
  uint8_t flags = 0;
  if (SamePoint(digest.last, digest.first)) flags |= kLastIsFirst;
  if (!digest.HasNumbers()) return flags | kNoNumbers;
  if (SamePoint(digest.min, digest.first)) {
    flags |= kMinIsFirst;
  } else if (SamePoint(digest.min, digest.last)) {
    flags |= kMinIsLast;
  }
  if (SamePoint(digest.max, digest.first)) {
    flags |= kMaxIsFirst;
  } else if (SamePoint(digest.max, digest.last)) {
    flags |= kMaxIsLast;
  }
  return flags;
}

}  // namespace

void EncodeDigest(const PointsDigest& digest, int64_t base_step,
                  int64_t base_time, std::string* out) {
  uint8_t flags = SameFlags(digest);
  const bool numbers = digest.HasNumbers();
  const bool narrow =
      IsFloat(digest.first.value) && IsFloat(digest.last.value) &&
      (!numbers || (IsFloat(digest.min.value) && IsFloat(digest.max.value)));
  if (narrow) flags |= kFloatFlag;
  if (digest.nans > 0) flags |= kNaNFlag;
  out->push_back(static_cast<char>(flags));
  PutVarint(digest.count, out);
  const MetricPoint& first = digest.first;
  PutVarint(Zigzag(Unsigned(first.step) - Unsigned(base_step)), out);
  PutVarint(Zigzag(Unsigned(first.timestamp_ms) - Unsigned(base_time)), out);
  PutValue(first.value, narrow, out);
  auto put = [&](const MetricPoint& point) {
    PutPlace(point, first, out);
    PutValue(point.value, narrow, out);
  };
  if ((flags & kLastIsFirst) == 0) put(digest.last);
  if (numbers && (flags & (kMinIsFirst | kMinIsLast)) == 0) put(digest.min);
  if (numbers && (flags & (kMaxIsFirst | kMaxIsLast)) == 0) put(digest.max);
  if (digest.nans > 0) {
    PutVarint(digest.nans, out);
    PutPlace(digest.nan, first, out);
  }
  PutVarint(Unsigned(first.timestamp_ms) - Unsigned(digest.time_min), out);
  PutVarint(Unsigned(digest.time_max) - Unsigned(first.timestamp_ms), out);
}

bool ConsumeDigest(std::string_view* in, int64_t base_step, int64_t base_time,
                   PointsDigest* digest) {
  *digest = PointsDigest();
  uint8_t flags;
  uint64_t step, time;
  if (!GetByte(in, &flags) || !GetVarint(in, &digest->count) ||
      !GetVarint(in, &step) || !GetVarint(in, &time) || digest->count == 0) {
    return false;
  }
  const bool narrow = (flags & kFloatFlag) != 0;
  MetricPoint& first = digest->first;
  first.step = static_cast<int64_t>(Unsigned(base_step) + Unzigzag(step));
  first.timestamp_ms =
      static_cast<int64_t>(Unsigned(base_time) + Unzigzag(time));
  if (!GetValue(in, narrow, &first.value)) return false;
  auto get = [&](MetricPoint* point) {
    return GetPlace(in, first, point) && GetValue(in, narrow, &point->value);
  };
  digest->last = first;
  if ((flags & kLastIsFirst) == 0 && !get(&digest->last)) return false;
  if ((flags & kNoNumbers) == 0) {
    digest->min = (flags & kMinIsLast) != 0 ? digest->last : first;
    if ((flags & (kMinIsFirst | kMinIsLast)) == 0 && !get(&digest->min)) {
      return false;
    }
    digest->max = (flags & kMaxIsLast) != 0 ? digest->last : first;
    if ((flags & (kMaxIsFirst | kMaxIsLast)) == 0 && !get(&digest->max)) {
      return false;
    }
  }
  if ((flags & kNaNFlag) != 0) {
    if (!GetVarint(in, &digest->nans) || digest->nans == 0 ||
        !GetPlace(in, first, &digest->nan)) {
      return false;
    }
    digest->nan.value = std::numeric_limits<double>::quiet_NaN();
  }
  uint64_t below, above;
  if (!GetVarint(in, &below) || !GetVarint(in, &above)) return false;
  digest->time_min =
      static_cast<int64_t>(Unsigned(first.timestamp_ms) - below);
  digest->time_max =
      static_cast<int64_t>(Unsigned(first.timestamp_ms) + above);
  return digest->nans <= digest->count &&
         digest->HasNumbers() == ((flags & kNoNumbers) == 0);
}

BlockSummary SummaryOf(absl::Span<const MetricPoint> points) {
  BlockSummary summary;
  summary.digest = DigestOf(points);
  summary.last = points.back();
  summary.step_ordered = true;
  for (size_t i = 1; i < points.size() && summary.step_ordered; ++i) {
    summary.step_ordered = StepLess(points[i - 1], points[i]);
  }
  return summary;
}

void EncodeSummary(const BlockSummary& summary, const MetricPoint& first,
                   std::string* out) {
  out->push_back(static_cast<char>(kSummaryFormat));
  out->push_back(
      static_cast<char>(summary.step_ordered ? kStepOrderedFlag : 0));
  if (!summary.step_ordered) {
    PutVarint(
        Unsigned(summary.last.timestamp_ms) - Unsigned(first.timestamp_ms),
        out);
    PutVarint(Zigzag(Unsigned(summary.last.step) - Unsigned(first.step)), out);
    PutFixed64(ValueOrder(summary.last.value), out);
  }
  EncodeDigest(summary.digest, first.step, first.timestamp_ms, out);
}

bool ParseSummary(std::string_view in, const MetricPoint& first,
                  BlockSummary* summary) {
  uint8_t format, flags;
  if (!GetByte(&in, &format) || format != kSummaryFormat ||
      !GetByte(&in, &flags)) {
    return false;
  }
  summary->step_ordered = (flags & kStepOrderedFlag) != 0;
  if (!summary->step_ordered) {
    uint64_t time, step, order;
    if (!GetVarint(&in, &time) || !GetVarint(&in, &step) ||
        !GetFixed64(&in, &order)) {
      return false;
    }
    summary->last.timestamp_ms =
        static_cast<int64_t>(Unsigned(first.timestamp_ms) + time);
    summary->last.step =
        static_cast<int64_t>(Unsigned(first.step) + Unzigzag(step));
    summary->last.value = ValueOfOrder(order);
  }
  if (!ConsumeDigest(&in, first.step, first.timestamp_ms, &summary->digest)) {
    return false;
  }
  if (summary->step_ordered) summary->last = summary->digest.last;
  return in.empty() && !HistoryLess(summary->last, first);
}

}  // namespace millstream::storage
