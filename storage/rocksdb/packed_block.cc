#include "storage/rocksdb/packed_block.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "storage/rocksdb/coding.h"
#include "storage/rocksdb/metric_block.h"
#include "storage/rocksdb/number_column.h"

namespace millstream::storage {
namespace {

// Values reach the disk: do not change.
enum ValueNumbers : uint8_t {
  kOrdered = 0,
  kDouble = 1,
  kFloat = 2,
  kBinary = 3,
  kDecimal = 16,
};
constexpr int kDigitsMax = 9;
constexpr std::array<double, kDigitsMax + 1> kPowersOfTen = {
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
// Decimals of so few digits are taken without looking further.
constexpr int kFewDigits = 5;
constexpr int kBinaryShiftMax = 60;
constexpr uint64_t kWholeNaN = uint64_t{1} << 54;
constexpr double kWholeMax = 9007199254740992;  // 2^53

constexpr uint64_t kSign = uint64_t{1} << 63;
constexpr uint32_t kFloatSign = uint32_t{1} << 31;

double Canonical(double value) {
  return value != value ? std::numeric_limits<double>::quiet_NaN() : value;
}

// Signed number of a sign and the bits without it.
uint64_t Signed(bool negative, uint64_t magnitude) {
  return negative ? 0 - magnitude : magnitude;
}

bool IsMinusZero(double value) {
  return std::bit_cast<uint64_t>(value) == kSign;
}

// How the values of a block are numbers.
struct Numbering {
  uint8_t kind = kOrdered;
  int shift = 0;

  // False: the value is no such number.
  bool ToNumber(double value, uint64_t* number) const {
    if (kind == kOrdered) {
      *number = ValueOrder(value);
      return true;
    }
    if (IsMinusZero(value)) return false;
    if (kind == kDouble) {
      const auto bits = std::bit_cast<uint64_t>(Canonical(value));
      return Shifted((bits & kSign) != 0, bits & ~kSign, number);
    }
    if (kind == kFloat) {
      const auto narrow = static_cast<float>(Canonical(value));
      if (value == value && static_cast<double>(narrow) != value) return false;
      const auto bits = std::bit_cast<uint32_t>(narrow);
      return Shifted((bits & kFloatSign) != 0, bits & ~kFloatSign, number);
    }
    if (value != value) {
      *number = kWholeNaN;
      return true;
    }
    const double scale = Scale();
    const double scaled = value * scale;
    if (!(std::abs(scaled) < kWholeMax)) return false;
    const auto whole =
        static_cast<int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
    *number = static_cast<uint64_t>(whole);
    return static_cast<double>(whole) / scale == value;
  }

  double ToValue(uint64_t number) const {
    if (kind == kOrdered) return ValueOfOrder(number);
    if (kind >= kBinary) {
      if (number == kWholeNaN) return Canonical(NAN);
      return static_cast<double>(static_cast<int64_t>(number)) / Scale();
    }
    const bool negative = (number & kSign) != 0;
    const uint64_t magnitude = (negative ? 0 - number : number) << shift;
    if (kind == kDouble) {
      return Canonical(std::bit_cast<double>((magnitude & ~kSign) |
                                             (negative ? kSign : 0)));
    }
    return Canonical(std::bit_cast<float>(
        (static_cast<uint32_t>(magnitude) & ~kFloatSign) |
        (negative ? kFloatSign : 0)));
  }

  bool Valid() const {
    switch (kind) {
      case kOrdered: return shift == 0;
      case kDouble: return shift < 64;
      case kFloat: return shift < 32;
      case kBinary: return shift <= kBinaryShiftMax;
      default:
        return kind >= kDecimal && kind <= kDecimal + kDigitsMax && shift == 0;
    }
  }

 private:
  bool Shifted(bool negative, uint64_t magnitude, uint64_t* number) const {
    if ((magnitude & ((uint64_t{1} << shift) - 1)) != 0) return false;
    *number = Signed(negative, magnitude >> shift);
    return true;
  }

  // 2^shift or 10^digits.
  double Scale() const {
    return kind == kBinary ? static_cast<double>(uint64_t{1} << shift)
                           : kPowersOfTen[kind - kDecimal];
  }
};

// Writes the numbers of all values; false: they are no such numbers.
bool ToNumbers(absl::Span<const MetricPoint> points, const Numbering& numbering,
               std::vector<uint64_t>* numbers) {
  numbers->resize(points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    if (!numbering.ToNumber(points[i].value, &(*numbers)[i])) return false;
  }
  return true;
}

// Drops the bits that are 0 at the end of all numbers.
void Shift(Numbering* numbering, std::vector<uint64_t>* numbers) {
  uint64_t any = 0;
  for (uint64_t number : *numbers) any |= number;
  if (any == 0) return;
  numbering->shift = std::countr_zero(any);
  for (uint64_t& number : *numbers) {
    number = static_cast<uint64_t>(static_cast<int64_t>(number) >>
                                   numbering->shift);
  }
}

// The fewest digits after the point that show all values exactly, or -1.
int Digits(absl::Span<const MetricPoint> points) {
  Numbering numbering{kDecimal, 0};
  uint64_t number;
  for (const MetricPoint& point : points) {
    while (!numbering.ToNumber(point.value, &number)) {
      if (++numbering.kind > kDecimal + kDigitsMax) return -1;
    }
  }
  return numbering.kind - kDecimal;
}

// How often all values must be doubled to be whole numbers, or -1.
int Doublings(absl::Span<const MetricPoint> points) {
  constexpr int kMantissaBits = 52;
  constexpr uint64_t kMantissa = (uint64_t{1} << kMantissaBits) - 1;
  int most = 0;
  for (const MetricPoint& point : points) {
    const auto bits = std::bit_cast<uint64_t>(point.value);
    const int exponent = static_cast<int>(bits >> kMantissaBits & 0x7FF);
    if (point.value == 0 || point.value != point.value) continue;
    if (exponent == 0) return -1;
    const uint64_t mantissa = (bits & kMantissa) | (kMantissa + 1);
    most = std::max(most, 1075 - exponent - std::countr_zero(mantissa));
    if (most > kBinaryShiftMax) return -1;
  }
  return most;
}

// Ways to number values, told from some of them, and the bytes that those take.
class Candidates {
 public:
  explicit Candidates(absl::Span<const MetricPoint> points) : points_(points) {
    if (points.size() <= kSamplePoints) return;
    points_ =
        points.subspan((points.size() - kSamplePoints) / 2, kSamplePoints);
  }

  // False: the values are no such numbers.
  bool Consider(Numbering numbering) {
    if (!ToNumbers(points_, numbering, &numbers_)) return false;
    const Numbering unshifted = numbering;
    if (numbering.kind < kBinary) Shift(&numbering, &numbers_);
    found_[count_++] = {unshifted, EstimateColumn(numbers_)};
    return true;
  }

  // What takes least comes first; of two that take the same, the earlier one.
  absl::Span<const std::pair<Numbering, size_t>> Ordered() {
    std::stable_sort(
        found_.begin(), found_.begin() + count_,
        [](const auto& a, const auto& b) { return a.second < b.second; });
    return absl::MakeConstSpan(found_).subspan(0, count_);
  }

 private:
  // Two frames, and the number before them.
  static constexpr size_t kSamplePoints = 2 * kFramePoints + 1;

  absl::Span<const MetricPoint> points_;
  std::vector<uint64_t> numbers_;
  std::array<std::pair<Numbering, size_t>, 3> found_;
  size_t count_ = 0;
};

// The numbering that seems to take least, with the numbers.
Numbering NumberValues(absl::Span<const MetricPoint> points,
                       std::vector<uint64_t>* numbers) {
  auto take = [&](Numbering* numbering) {
    if (!ToNumbers(points, *numbering, numbers)) return false;
    if (numbering->kind < kBinary && numbering->kind != kOrdered) {
      Shift(numbering, numbers);
    }
    return true;
  };
  Candidates candidates(points);
  if (const int digits = Digits(points); digits >= 0) {
    Numbering decimal{static_cast<uint8_t>(kDecimal + digits), 0};
    if (digits <= kFewDigits && take(&decimal)) return decimal;
    candidates.Consider(decimal);
  }
  if (const int doublings = Doublings(points); doublings >= 0) {
    candidates.Consider({kBinary, doublings});
  }
  if (!candidates.Consider({kFloat, 0})) candidates.Consider({kDouble, 0});
  for (auto [numbering, bytes] : candidates.Ordered()) {
    if (take(&numbering)) return numbering;
  }
  Numbering exact{kDouble, 0};
  if (take(&exact)) return exact;
  exact = Numbering();
  take(&exact);
  return exact;
}

void PutColumn(absl::Span<const uint64_t> numbers, std::string* scratch,
               std::string* out) {
  scratch->clear();
  EncodeColumn(numbers, scratch);
  PutVarint(scratch->size(), out);
  out->append(*scratch);
}

bool GetColumn(std::string_view* in, std::string_view* column) {
  uint64_t size;
  if (!GetVarint(in, &size) || size > in->size()) return false;
  *column = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

// `points` beyond the first; `in` is what follows the count.
bool DecodeColumns(std::string_view in, absl::Span<MetricPoint> points) {
  std::string_view timestamp_bytes, step_bytes, value_bytes;
  Numbering numbering;
  uint8_t shift;
  uint64_t first_value;
  if (!GetColumn(&in, &timestamp_bytes) || !GetColumn(&in, &step_bytes) ||
      !GetByte(&in, &numbering.kind) || !GetByte(&in, &shift)) {
    return false;
  }
  numbering.shift = shift;
  if (!GetColumn(&in, &value_bytes) || !in.empty() || !numbering.Valid() ||
      !numbering.ToNumber(points[0].value, &first_value)) {
    return false;
  }
  const size_t count = points.size() - 1;
  ColumnReader timestamps(timestamp_bytes,
                          static_cast<uint64_t>(points[0].timestamp_ms), count);
  ColumnReader steps(step_bytes, static_cast<uint64_t>(points[0].step), count);
  ColumnReader values(value_bytes, first_value, count);
  uint64_t t[kFramePoints], s[kFramePoints], v[kFramePoints];
  for (size_t begin = 1; begin < points.size(); begin += kFramePoints) {
    if (!timestamps.ReadFrame(t) || !steps.ReadFrame(s) ||
        !values.ReadFrame(v)) {
      return false;
    }
    const size_t size = std::min(kFramePoints, points.size() - begin);
    MetricPoint* const to = &points[begin];
    for (size_t i = 0; i < size; ++i) {
      to[i].timestamp_ms = static_cast<int64_t>(t[i]);
      to[i].step = static_cast<int64_t>(s[i]);
      to[i].value = numbering.ToValue(v[i]);
    }
  }
  return timestamps.Done() && steps.Done() && values.Done();
}

bool Ascending(absl::Span<const MetricPoint> points) {
  for (size_t i = 1; i < points.size(); ++i) {
    if (points[i - 1].timestamp_ms >= points[i].timestamp_ms &&
        !HistoryLess(points[i - 1], points[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace

void EncodePackedBlock(absl::Span<const MetricPoint> points, std::string* out) {
  out->push_back(static_cast<char>(kPackedBlockFormat));
  PutVarint(points.size(), out);
  if (points.size() == 1) return;
  std::string scratch;
  std::vector<uint64_t> numbers(points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    numbers[i] = static_cast<uint64_t>(points[i].timestamp_ms);
  }
  PutColumn(numbers, &scratch, out);
  for (size_t i = 0; i < points.size(); ++i) {
    numbers[i] = static_cast<uint64_t>(points[i].step);
  }
  PutColumn(numbers, &scratch, out);
  const Numbering numbering = NumberValues(points, &numbers);
  out->push_back(static_cast<char>(numbering.kind));
  out->push_back(static_cast<char>(numbering.shift));
  PutColumn(numbers, &scratch, out);
}

absl::Status DecodePackedBlock(std::string_view block, const MetricPoint& first,
                               std::vector<MetricPoint>* points) {
  std::string_view in = block;
  uint8_t format;
  uint64_t count;
  if (!GetByte(&in, &format) || format != kPackedBlockFormat) {
    return absl::DataLossError(
        "packed block of a format that this version does not know");
  }
  if (!GetVarint(&in, &count) || count == 0 || count > kBlockPointsMax) {
    return absl::DataLossError("packed block count");
  }
  const size_t begin = points->size();
  points->resize(begin + count);
  (*points)[begin] = first;
  const auto decoded = absl::MakeSpan(*points).subspan(begin);
  const bool good =
      count == 1 ? in.empty()
                 : DecodeColumns(in, decoded) && Ascending(decoded);
  if (good) return absl::OkStatus();
  points->resize(begin);
  return absl::DataLossError("packed block body");
}

}  // namespace millstream::storage
