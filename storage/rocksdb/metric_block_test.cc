#include "storage/rocksdb/metric_block.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace millstream::storage {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

std::string Encode(std::vector<MetricPoint> points) {
  std::sort(points.begin(), points.end(), HistoryLess);
  std::string out;
  EncodeBlock(points, &out);
  return out;
}

void ExpectRoundTrip(std::vector<MetricPoint> points) {
  std::sort(points.begin(), points.end(), HistoryLess);
  const std::string block = Encode(points);
  std::vector<MetricPoint> decoded;
  ASSERT_TRUE(DecodeBlock(block, points.front(), &decoded).ok());
  ASSERT_EQ(decoded.size(), points.size());
  BlockHeader header;
  ASSERT_TRUE(ParseBlockHeader(block, points.front(), &header).ok());
  EXPECT_EQ(header.count, points.size());
  EXPECT_TRUE(SamePoint(header.last, points.back()));
  bool step_ordered = true;
  for (size_t i = 0; i < points.size(); ++i) {
    EXPECT_TRUE(SamePoint(decoded[i], points[i])) << i;
    EXPECT_LE(header.step_min, points[i].step);
    EXPECT_GE(header.step_max, points[i].step);
    step_ordered &= i == 0 || StepLess(points[i - 1], points[i]);
  }
  EXPECT_EQ(header.step_ordered, step_ordered);
}

// --- Bytes on disk: these do not change.

TEST(MetricBlockGoldenTest, EvenStepsAndRawValues) {
  EXPECT_EQ(absl::BytesToHexString(Encode(
                {{1000, 0, 0.1}, {1010, 1, -0.7}, {1020, 2, 0.3}})),
            "01" "01" "03"            // format, flags, count
            "14" "04"                 // last: 20 ms and 2 steps on,
            "333333333333d33f"        // value 0.3
            "00" "02"                 // steps: from the first to 2 above it
            "02" "14"                 // timestamps: 10 each
            "02" "02"                 // steps: 1 each
            "01" "666666666666e6bf"   // raw values
            "333333333333d33f");
}

TEST(MetricBlockGoldenTest, UnevenStepsAndXoredValues) {
  EXPECT_EQ(absl::BytesToHexString(Encode({{1000, 5, 1.0},
                                           {1010, 4, 1.0},
                                           {1030, 9, 1.5},
                                           {1031, 9, std::nan("")}})),
            "01" "00" "04"
            "1f" "08" "000000000000f87f"
            "01" "04"
            "01" "14" "14" "25"       // timestamps: 10, then +10, then -19
            "01" "01" "0c" "09"       // steps: -1, then +6, then -5
            "02" "00" "11" "08"       // XOR: nothing, then the second byte,
            "01" "40");               // then the first
}

// --- Properties.

TEST(MetricBlockTest, ExtremesComeBack) {
  const double infinity = std::numeric_limits<double>::infinity();
  ExpectRoundTrip({{kMin, kMin, -infinity}, {kMax, kMax, infinity}});
  ExpectRoundTrip({{kMin, kMax, -0.0}, {0, kMin, 0.0}, {kMax, 0, NAN}});
  ExpectRoundTrip({{0, 0, -0.0}, {0, 0, 0.0}, {0, 0, NAN}, {0, 0, 5e-324}});
}

TEST(MetricBlockTest, RandomPointsComeBack) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<MetricPoint> points(2 + random() % 500);
    const int shift = random() % 64;
    for (auto& point : points) {
      point.timestamp_ms = static_cast<int64_t>(random()) >> shift;
      point.step = static_cast<int64_t>(random()) >> (random() % 64);
      point.value = random() % 2 ? static_cast<float>(random() % 1000) / 7
                                 : std::bit_cast<double>(random());
    }
    std::sort(points.begin(), points.end(), HistoryLess);
    points.erase(std::unique(points.begin(), points.end(), SamePoint),
                 points.end());
    if (points.size() >= 2) ExpectRoundTrip(points);
  }
}

TEST(MetricBlockTest, AnEvenCurveIsSmall) {
  std::vector<MetricPoint> points;
  for (int i = 0; i < 1000; ++i) {
    points.push_back({1700000000000 + 250 * i, i, 1.0f / (1 + 0.01f * i)});
  }
  EXPECT_LT(Encode(points).size(), 6 * points.size());
}

TEST(MetricBlockTest, NaNsWithPayloadsAreOneNaN) {
  EXPECT_EQ(Encode({{0, 0, 1}, {1, 1, std::nan("1")}}),
            Encode({{0, 0, 1}, {1, 1, -std::nan("2")}}));
}

TEST(MetricBlockTest, DamageIsFoundAndLeavesTheOutputAlone) {
  const std::vector<MetricPoint> points = {
      {1000, 5, 1.0}, {1010, 4, 1.0}, {1030, 9, 1.5}};
  const std::string block = Encode(points);
  std::vector<MetricPoint> decoded = {{1, 2, 3}};
  for (size_t size = 0; size < block.size(); ++size) {
    EXPECT_FALSE(DecodeBlock(block.substr(0, size), points[0], &decoded).ok());
    EXPECT_EQ(decoded.size(), 1u);
  }
  EXPECT_FALSE(DecodeBlock(block + '\0', points[0], &decoded).ok());
  std::string other_format = block;
  other_format[0] = 2;
  EXPECT_EQ(DecodeBlock(other_format, points[0], &decoded).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(decoded.size(), 1u);
}

TEST(MetricBlockTest, ACountBeyondTheBytesIsRefusedBeforeMemoryIsTaken) {
  std::string block = Encode({{0, 0, 1}, {1, 1, 2}});
  block.replace(2, 1, "\x80\x80\x04");  // 65,536 points
  std::vector<MetricPoint> decoded;
  EXPECT_FALSE(DecodeBlock(block, {0, 0, 1}, &decoded).ok());
  EXPECT_EQ(decoded.capacity(), 0u);
}

}  // namespace
}  // namespace millstream::storage
