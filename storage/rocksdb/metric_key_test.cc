#include "storage/rocksdb/metric_key.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace millstream::storage {
namespace {

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

std::string Hex(const std::string& bytes) {
  return absl::BytesToHexString(bytes);
}

std::string RecordKey(std::string_view run_id, std::string_view metric_key,
                      uint8_t record_class, const MetricPoint& point) {
  std::string key;
  AppendSeriesPrefix(run_id, metric_key, &key);
  key.push_back(static_cast<char>(record_class));
  AppendPoint(point, &key);
  return key;
}

// --- Bytes on disk: these do not change.

TEST(MetricKeyGoldenTest, SinglePointOfAnOrdinaryRun) {
  EXPECT_EQ(Hex(RecordKey(kRun, "loss", kSinglePointClass,
                          {1700000000000, 7, 0.5})),
            "01"
            "0123456789abcdef0123456789abcdef"
            "6c6f7373" "0000"
            "00"
            "8000018bcfe56800"
            "8000000000000007"
            "bfe0000000000001");
}

TEST(MetricKeyGoldenTest, OtherRunIdsEscapesAndNegativeNumbers) {
  EXPECT_EQ(Hex(RecordKey("Run-1", std::string("a\0b", 3), 2,
                          {-1, -2, -0.0})),
            "02" "0005" "52756e2d31"
            "61" "00ff" "62" "0000"
            "02"
            "7fffffffffffffff"
            "7ffffffffffffffe"
            "7fffffffffffffff");
}

TEST(MetricKeyGoldenTest, SpecialValues) {
  auto value_bytes = [](double value) {
    std::string out;
    AppendPoint({0, 0, value}, &out);
    return Hex(out.substr(16));
  };
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(value_bytes(-infinity), "000fffffffffffff");
  EXPECT_EQ(value_bytes(0.0), "8000000000000000");
  EXPECT_EQ(value_bytes(std::nan("")), "8000000000000001");
  EXPECT_EQ(value_bytes(infinity), "fff0000000000001");
}

TEST(MetricKeyGoldenTest, BlockClassesBySpan) {
  const std::pair<int64_t, int> cases[] = {
      {0, 1}, {1, 2}, {3, 2}, {4, 3}, {15, 3}, {16, 4}, {1000, 6}, {kMax, 33}};
  for (auto [span, expected] : cases) {
    EXPECT_EQ(BlockClass({0, 0, 0}, {span, 0, 0}), expected) << span;
  }
  EXPECT_EQ(BlockClass({kMin, 0, 0}, {kMax, 0, 0}), kBlockClassMax);
}

// --- Properties.

TEST(MetricKeyTest, BytesCompareAsHistoryDoes) {
  std::mt19937_64 random(1);
  const int64_t numbers[] = {kMin, -5, -1, 0, 1, 1700000000000, kMax};
  const double values[] = {-1e300, -0.0, 0.0, std::nan(""), 1, 1e300};
  std::vector<MetricPoint> points;
  for (int64_t time : numbers) {
    for (int64_t step : numbers) {
      for (double value : values) points.push_back({time, step, value});
    }
  }
  std::shuffle(points.begin(), points.end(), random);
  for (size_t i = 1; i < points.size(); ++i) {
    std::string a, b;
    AppendPoint(points[i - 1], &a);
    AppendPoint(points[i], &b);
    EXPECT_EQ(a < b, HistoryLess(points[i - 1], points[i]));
    EXPECT_TRUE(SamePoint(ParsePoint(a), points[i - 1]));
  }
}

TEST(MetricKeyTest, NoSeriesPrefixBeginsAnother) {
  const std::string keys[] = {"", "a", "ab", std::string("a\0", 2),
                              std::string("a\0\0", 3), std::string("\0", 1),
                              "a\xff"};
  const std::string runs[] = {kRun, "", "a", "ab", std::string(32, 'G'),
                              std::string(32, 'A')};
  std::vector<std::string> prefixes;
  for (const auto& run : runs) {
    for (const auto& key : keys) {
      AppendSeriesPrefix(run, key, &prefixes.emplace_back());
    }
  }
  for (size_t i = 0; i < prefixes.size(); ++i) {
    for (size_t j = 0; j < prefixes.size(); ++j) {
      EXPECT_EQ(prefixes[i].starts_with(prefixes[j]), i == j) << i << " " << j;
    }
  }
}

TEST(MetricKeyTest, PartsComeBack) {
  for (const std::string& run : {std::string(kRun), std::string("x-1"),
                                 std::string(), std::string(65535, 'r')}) {
    for (const std::string& metric :
         {std::string("m"), std::string(), std::string("\0\0a\0", 4)}) {
      const MetricPoint point{5, -6, 7};
      std::string key = RecordKey(run, metric, 3, point);
      AppendHash(0x1122334455667788, &key);
      std::string_view rest = key;
      std::string run_back, metric_back;
      ASSERT_TRUE(ConsumeRunPrefix(&rest, &run_back));
      ASSERT_TRUE(ConsumeMetricKey(&rest, &metric_back));
      RecordSuffix suffix;
      ASSERT_TRUE(ParseRecordSuffix(rest, &suffix));
      EXPECT_EQ(run_back, run);
      EXPECT_EQ(metric_back, metric);
      EXPECT_EQ(suffix.record_class, 3);
      EXPECT_TRUE(SamePoint(suffix.first, point));
      EXPECT_EQ(suffix.hash, 0x1122334455667788u);
    }
  }
}

TEST(MetricKeyTest, MalformedKeysAreRefused) {
  std::string out;
  for (std::string bytes :
       {std::string(), std::string("\x01short"), std::string("\x02\x00", 2),
        std::string("\x02\x00\x05"
                    "abcd",
                    7),
        std::string("\x03zzz")}) {
    std::string_view view = bytes;
    EXPECT_FALSE(ConsumeRunPrefix(&view, &out)) << Hex(bytes);
  }
  for (std::string bytes : {std::string("abc"), std::string("abc\0", 4),
                            std::string("abc\0\x01", 5)}) {
    std::string_view view = bytes;
    EXPECT_FALSE(ConsumeMetricKey(&view, &out)) << Hex(bytes);
  }
  RecordSuffix suffix;
  EXPECT_FALSE(ParseRecordSuffix(std::string(24, '\0'), &suffix));
  EXPECT_TRUE(ParseRecordSuffix(std::string(25, '\0'), &suffix));
  EXPECT_FALSE(ParseRecordSuffix(std::string(26, '\0'), &suffix));
  EXPECT_FALSE(ParseRecordSuffix(std::string(33, '\x22'), &suffix));
}

TEST(MetricKeyTest, EveryBlockFitsTheSpanOfItsClass) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t span = random() >> (i % 64);
    const MetricPoint first{kMin, 0, 0};
    const MetricPoint last{
        static_cast<int64_t>(static_cast<uint64_t>(kMin) + span), 0, 0};
    const uint8_t block_class = BlockClass(first, last);
    EXPECT_LE(span, BlockClassSpanMax(block_class));
    EXPECT_LE(block_class, kBlockClassMax);
    if (block_class > kBlockClassMin) {
      EXPECT_GT(span, BlockClassSpanMax(block_class - 1));
    }
  }
}

}  // namespace
}  // namespace millstream::storage
