#include "storage/rocksdb/number_column.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <vector>

#include "storage/rocksdb/coding.h"

namespace millstream::storage {
namespace {

// Values reach the disk: do not change.
constexpr uint8_t kConstantFlag = 0x80;
constexpr int kOrderMax = 3;
// One unaligned load of 8 bytes holds that many bits at any place; wider
// residuals are stored whole.
constexpr int kWidthMax = 56;
constexpr int kWholeWidth = 64;

// Frames that are tried to find out which order of differences is smallest.
constexpr size_t kTrialFrames = 2;

uint64_t LowBits(int width) {
  return width == kWholeWidth ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
}

// Bytes of the packed bits of a frame.
size_t PackedBytes(size_t size, int width) { return (size * width + 7) / 8; }

// How a frame is written.
struct FramePlan {
  uint64_t base = 0;
  int width = 0;
  size_t bytes = std::numeric_limits<size_t>::max();
};

using WidthCounts = std::array<uint16_t, 65>;

// The width that takes least, with this base.
void TryBase(absl::Span<const uint64_t> residuals, uint64_t base,
             FramePlan* best) {
  WidthCounts counts{};
  for (uint64_t residual : residuals) {
    ++counts[static_cast<size_t>(std::bit_width(residual - base))];
  }
  // From the widest down: all wider than `width` are exceptions.
  const size_t fixed = 2 + VarintBytes(Zigzag(base));
  for (int width = kWholeWidth; width >= 0; --width) {
    if (counts[width] == 0 && width != 0) continue;
    const int stored = width > kWidthMax ? kWholeWidth : width;
    size_t bytes = fixed + PackedBytes(residuals.size(), stored);
    for (int wider = width + 1; wider <= 64 && bytes < best->bytes; ++wider) {
      if (stored == kWholeWidth) break;
      bytes += counts[wider] * (1 + (wider - stored + 6) / 7);
    }
    if (bytes < best->bytes) *best = {base, stored, bytes};
  }
}

// Bases tried are the least residual and, in case that is an exception, some of
// the next ones.
FramePlan PlanFrame(absl::Span<const uint64_t> residuals) {
  constexpr size_t kLeast = 6;
  std::array<int64_t, kLeast> least;
  size_t found = 0;
  for (uint64_t residual : residuals) {
    const auto value = static_cast<int64_t>(residual);
    if (found == kLeast && value >= least[kLeast - 1]) continue;
    size_t i = found < kLeast ? found++ : kLeast - 1;
    for (; i > 0 && least[i - 1] > value; --i) least[i] = least[i - 1];
    least[i] = value;
  }
  FramePlan best;
  TryBase(residuals, static_cast<uint64_t>(least[0]), &best);
  for (size_t i : {size_t{1}, size_t{2}, kLeast - 1}) {
    if (i >= found || best.width == 0) break;
    // Only a base that saves bits is worth a look.
    const uint64_t gap =
        static_cast<uint64_t>(least[i]) - static_cast<uint64_t>(least[0]);
    if (static_cast<int>(std::bit_width(gap)) + 1 < best.width) continue;
    TryBase(residuals, static_cast<uint64_t>(least[i]), &best);
  }
  return best;
}

void PutFrame(absl::Span<const uint64_t> residuals, std::string* out) {
  const FramePlan plan = PlanFrame(residuals);
  const uint64_t mask = LowBits(plan.width);
  std::string exceptions;
  size_t exception_count = 0;
  for (size_t i = 0; i < residuals.size(); ++i) {
    const uint64_t value = residuals[i] - plan.base;
    if ((value & ~mask) == 0) continue;
    ++exception_count;
    exceptions.push_back(static_cast<char>(i));
    PutVarint(value >> plan.width, &exceptions);
  }
  out->push_back(static_cast<char>(plan.width));
  out->push_back(static_cast<char>(exception_count));
  PutVarint(Zigzag(plan.base), out);
  out->append(exceptions);
  const size_t begin = out->size();
  out->resize(begin + PackedBytes(residuals.size(), plan.width) +
              2 * sizeof(uint64_t));
  char* const bytes = out->data() + begin;
  size_t bit = 0;
  for (uint64_t residual : residuals) {
    const uint64_t value = (residual - plan.base) & mask;
    uint64_t word;
    std::memcpy(&word, bytes + bit / 8, sizeof(word));
    word |= value << (bit % 8);
    std::memcpy(bytes + bit / 8, &word, sizeof(word));
    bit += plan.width;
  }
  out->resize(begin + PackedBytes(residuals.size(), plan.width));
}

// Residual of `order` at place i; numbers before the first are like it.
uint64_t Residual(absl::Span<const uint64_t> numbers, int order, size_t i) {
  auto at = [&](size_t back) { return numbers[i < back ? 0 : i - back]; };
  switch (order) {
    case 0: return at(0);
    case 1: return at(0) - at(1);
    case 2: return at(0) - 2 * at(1) + at(2);
    default: return at(0) - 3 * at(1) + 3 * at(2) - at(3);
  }
}

void Residuals(absl::Span<const uint64_t> numbers, int order, size_t begin,
               size_t end, std::vector<uint64_t>* out) {
  out->clear();
  size_t i = begin;
  for (; i < end && i < static_cast<size_t>(order); ++i) {
    out->push_back(Residual(numbers, order, i));
  }
  const size_t done = out->size();
  out->resize(end - begin);
  uint64_t* to = out->data() + done;
  const uint64_t* from = numbers.data();
  switch (order) {
    case 0:
      for (; i < end; ++i) *to++ = from[i];
      break;
    case 1:
      for (; i < end; ++i) *to++ = from[i] - from[i - 1];
      break;
    case 2:
      for (; i < end; ++i) *to++ = from[i] - 2 * from[i - 1] + from[i - 2];
      break;
    default:
      for (; i < end; ++i) {
        *to++ = from[i] - 3 * (from[i - 1] - from[i - 2]) - from[i - 3];
      }
  }
}

// Whether all residuals of order 0 or 1 are the same.
bool IsConstant(absl::Span<const uint64_t> numbers, int order) {
  const uint64_t residual = Residual(numbers, order, 1);
  const uint64_t times = order == 0 ? 0 : 1;
  for (size_t i = 2; i < numbers.size(); ++i) {
    if (numbers[i] - times * numbers[i - 1] != residual) return false;
  }
  return true;
}

struct Trial {
  int order = 0;
  // Of the frames that were tried.
  size_t bytes = std::numeric_limits<size_t>::max();
};

Trial TryOrders(absl::Span<const uint64_t> numbers) {
  const size_t count = numbers.size() - 1;
  const size_t frames = (count + kFramePoints - 1) / kFramePoints;
  const size_t tries = std::min(frames, kTrialFrames);
  std::vector<uint64_t> residuals;
  Trial best;
  for (int order = 0; order <= kOrderMax; ++order) {
    size_t bytes = 0;
    for (size_t i = 0; i < tries; ++i) {
      const size_t frame = tries == 1 ? 0 : i * (frames - 1) / (tries - 1);
      const size_t begin = 1 + frame * kFramePoints;
      const size_t end = std::min(begin + kFramePoints, numbers.size());
      Residuals(numbers, order, begin, end, &residuals);
      bytes += PlanFrame(residuals).bytes;
    }
    if (bytes < best.bytes) best = {order, bytes};
  }
  return best;
}

}  // namespace

size_t EstimateColumn(absl::Span<const uint64_t> numbers) {
  return TryOrders(numbers).bytes;
}

void EncodeColumn(absl::Span<const uint64_t> numbers, std::string* out) {
  for (int order : {0, 1}) {
    if (!IsConstant(numbers, order)) continue;
    const uint64_t residual = Residual(numbers, order, 1);
    out->push_back(static_cast<char>(kConstantFlag | order));
    PutVarint(Zigzag(residual), out);
    return;
  }
  const int order = TryOrders(numbers).order;
  out->push_back(static_cast<char>(order));
  std::vector<uint64_t> residuals;
  Residuals(numbers, order, 1, numbers.size(), &residuals);
  for (absl::Span<const uint64_t> rest(residuals); !rest.empty();) {
    PutFrame(rest.subspan(0, kFramePoints), out);
    rest.remove_prefix(std::min(rest.size(), kFramePoints));
  }
}

ColumnReader::ColumnReader(std::string_view bytes, uint64_t seed, size_t count)
    : in_(bytes), left_(count), last_{seed, 0, 0, 0} {}

bool ColumnReader::Begin() {
  begun_ = true;
  uint8_t tag;
  if (!GetByte(&in_, &tag)) return false;
  constant_ = (tag & kConstantFlag) != 0;
  order_ = tag & ~kConstantFlag;
  if (order_ > kOrderMax) return false;
  if (!constant_) return true;
  uint64_t coded;
  if (!GetVarint(&in_, &coded)) return false;
  residual_ = Unzigzag(coded);
  return true;
}

bool ColumnReader::Unpack(size_t size, uint64_t* out) {
  uint8_t width, exceptions;
  uint64_t coded_base;
  if (!GetByte(&in_, &width) || !GetByte(&in_, &exceptions) ||
      !GetVarint(&in_, &coded_base) || exceptions > size ||
      (width > kWidthMax && width != kWholeWidth)) {
    return false;
  }
  struct Exception {
    uint8_t place;
    uint64_t high;
  } found[kFramePoints];
  for (size_t i = 0; i < exceptions; ++i) {
    if (!GetByte(&in_, &found[i].place) || !GetVarint(&in_, &found[i].high) ||
        found[i].place >= size || width == kWholeWidth) {
      return false;
    }
  }
  const size_t bytes = PackedBytes(size, width);
  if (in_.size() < bytes) return false;
  // Loads reach up to 8 bytes beyond.
  char padded[kFramePoints * sizeof(uint64_t) + sizeof(uint64_t)];
  const char* from = in_.data();
  if (in_.size() < bytes + sizeof(uint64_t)) {
    std::memcpy(padded, from, bytes);
    std::memset(padded + bytes, 0, sizeof(uint64_t));
    from = padded;
  }
  in_.remove_prefix(bytes);
  const uint64_t mask = LowBits(width);
  const uint64_t base = Unzigzag(coded_base);
  size_t bit = 0;
  for (size_t i = 0; i < size; ++i, bit += width) {
    uint64_t word;
    std::memcpy(&word, from + bit / 8, sizeof(word));
    out[i] = (word >> (bit % 8) & mask) + base;
  }
  for (size_t i = 0; i < exceptions; ++i) {
    out[found[i].place] += found[i].high << width;
  }
  return true;
}

bool ColumnReader::ReadFrame(uint64_t* out) {
  if (!begun_ && !Begin()) return false;
  const size_t size = std::min(left_, kFramePoints);
  left_ -= size;
  if (constant_) {
    std::fill_n(out, size, residual_);
  } else if (!Unpack(size, out)) {
    return false;
  }
  for (int order = order_ - 1; order >= 0; --order) {
    uint64_t sum = last_[order];
    for (size_t i = 0; i < size; ++i) out[i] = sum += out[i];
    last_[order] = sum;
  }
  return true;
}

}  // namespace millstream::storage
