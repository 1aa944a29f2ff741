#include "storage/rocksdb/packed_block.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/curves.h"
#include "storage/rocksdb/number_column.h"

namespace millstream::storage {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

std::string Encode(const std::vector<MetricPoint>& points) {
  std::string out;
  EncodePackedBlock(points, &out);
  return out;
}

std::string Hex(const std::vector<MetricPoint>& points) {
  return absl::BytesToHexString(Encode(points));
}

void ExpectRoundTrip(std::vector<MetricPoint> points) {
  std::sort(points.begin(), points.end(), HistoryLess);
  points.erase(std::unique(points.begin(), points.end(), SamePoint),
               points.end());
  std::vector<MetricPoint> decoded;
  ASSERT_TRUE(
      DecodePackedBlock(Encode(points), points.front(), &decoded).ok());
  ASSERT_EQ(decoded.size(), points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    ASSERT_TRUE(SamePoint(decoded[i], points[i])) << i;
  }
}

// --- Bytes on disk: these do not change.

TEST(PackedBlockGoldenTest, OnePoint) {
  EXPECT_EQ(Hex({{1000, 5, 0.5}}), "02" "01");
}

TEST(PackedBlockGoldenTest, EvenColumnsAndDecimals) {
  EXPECT_EQ(Hex({{1000, 0, 0.5}, {1010, 1, 0.25}, {1020, 2, 0.75}}),
            "02" "03"                  // format, count
            "02" "81" "14"             // timestamps: 10 each
            "02" "81" "02"             // steps: 1 each
            "12" "00"                  // values: times 10^2
            "06" "00" "06" "00" "32"   // order 0, 6 bits, base 25:
            "800c");                   // 0 and 50
}

TEST(PackedBlockGoldenTest, ExceptionsAndBinaryFractions) {
  std::vector<MetricPoint> points;
  for (int i = 0; i < 20; ++i) {
    points.push_back({1000 + 2 * i + i % 2 + (i > 10 ? 60000 : 0), i,
                      static_cast<float>(i) / 3});
  }
  EXPECT_EQ(Hex(points),
            "02" "14"
            "0c" "01" "02" "01" "02"   // differences, 2 bits, base 1, one
            "0a" "9875"                // exception: the 11th, 15,000 above them
            "2222222222"               // 2 and 0 in turn
            "02" "81" "02"
            "03" "19" "13"             // values: times 2^25
            "01" "05" "00" "c0aad50a"  // 5 bits above 11,185,...
            "6b2986188208410401840042");
}

TEST(PackedBlockGoldenTest, WhatNeedsTheOrderOfKeys) {
  EXPECT_EQ(Hex({{7, 1, -0.0}, {7, 1, 0.0}, {7, 1, NAN}}),
            "02" "03"
            "02" "80" "0e"             // timestamps: 7 all
            "02" "80" "02"             // steps: 1 all
            "00" "00" "02" "81" "02"); // places in the order of keys
}

// --- Properties.

TEST(PackedBlockTest, CurvesComeBackAndAreSmall) {
  double bytes = 0;
  for (const Curve& curve : RealisticCurves()) {
    for (size_t count : {2, 127, 128, 129, 130, 1000, 4096}) {
      std::vector<MetricPoint> points;
      curve.make(977, 977 + static_cast<int64_t>(count), &points);
      SCOPED_TRACE(curve.name);
      ExpectRoundTrip(points);
      if (count == 4096) {
        const double each = static_cast<double>(Encode(points).size()) / 4096;
        EXPECT_LT(each, 7.5);
        bytes += each;
      }
    }
  }
  EXPECT_LT(bytes / static_cast<double>(RealisticCurves().size()), 2.5);
}

TEST(PackedBlockTest, ExtremesComeBack) {
  const double infinity = std::numeric_limits<double>::infinity();
  ExpectRoundTrip({{0, 0, 1}});
  ExpectRoundTrip({{kMin, kMin, -infinity}, {kMax, kMax, infinity}});
  ExpectRoundTrip({{kMin, kMax, -0.0}, {0, kMin, 0.0}, {kMax, 0, NAN}});
  ExpectRoundTrip({{0, 0, -0.0}, {0, 0, 0.0}, {0, 0, NAN}, {0, 0, 5e-324}});
  ExpectRoundTrip({{0, 0, 1.7976931348623157e308}, {1, 1, NAN}, {2, 2, 0.1}});
  ExpectRoundTrip({{0, 0, -infinity}, {1, 1, 0.5f}, {2, 2, NAN}});
  ExpectRoundTrip({{0, 0, 9007199254740991}, {1, 1, 9007199254740993e3}});
  ExpectRoundTrip({{0, 0, 0x1p-60}, {1, 1, 0x1p-61}, {2, 2, 1}});
}

TEST(PackedBlockTest, RandomPointsComeBack) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<MetricPoint> points(2 + random() % 700);
    const int shift = static_cast<int>(random() % 64);
    const int kind = static_cast<int>(random() % 5);
    for (auto& point : points) {
      point.timestamp_ms = static_cast<int64_t>(random()) >> shift;
      point.step = static_cast<int64_t>(random()) >> (random() % 64);
      const auto small = static_cast<double>(random() % 20000) - 10000;
      switch (kind) {
        case 0: point.value = std::bit_cast<double>(random()); break;
        case 1: point.value = static_cast<float>(small / 7); break;
        case 2: point.value = small / 1e7; break;
        case 3: point.value = small / 1024; break;
        default: point.value = random() % 9 == 0 ? NAN : small;
      }
    }
    ExpectRoundTrip(points);
  }
}

TEST(PackedBlockTest, DamageIsFoundAndLeavesTheOutputAlone) {
  std::vector<MetricPoint> points;
  RealisticCurves()[0].make(0, 300, &points);
  const std::string block = Encode(points);
  std::vector<MetricPoint> decoded = {{1, 2, 3}};
  for (size_t size = 0; size < block.size(); ++size) {
    EXPECT_FALSE(
        DecodePackedBlock(block.substr(0, size), points[0], &decoded).ok());
    ASSERT_EQ(decoded.size(), 1u);
  }
  EXPECT_FALSE(DecodePackedBlock(block + '\0', points[0], &decoded).ok());
  std::string other_format = block;
  other_format[0] = 1;
  EXPECT_EQ(DecodePackedBlock(other_format, points[0], &decoded).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(decoded.size(), 1u);
}

TEST(NumberColumnTest, EveryWidthComesBack) {
  std::mt19937_64 random(5);
  for (int width = 0; width <= 64; ++width) {
    for (size_t count : {2, 3, 129, 300}) {
      std::vector<uint64_t> numbers(count);
      for (auto& number : numbers) {
        number = width == 0 ? 7 : random() >> (64 - width);
        if (random() % 50 == 0) number = random();
      }
      std::string bytes;
      EncodeColumn(numbers, &bytes);
      ColumnReader reader(bytes, numbers[0], count - 1);
      std::vector<uint64_t> read(1 + count + kFramePoints);
      read[0] = numbers[0];
      for (size_t at = 1; at < count; at += kFramePoints) {
        ASSERT_TRUE(reader.ReadFrame(&read[at]));
      }
      EXPECT_TRUE(reader.Done());
      read.resize(count);
      EXPECT_EQ(read, numbers) << width;
    }
  }
}

}  // namespace
}  // namespace millstream::storage
