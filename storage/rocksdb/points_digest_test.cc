#include "storage/rocksdb/points_digest.h"

#include <cmath>
#include <random>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace millstream::storage {
namespace {

std::string Hex(const std::vector<MetricPoint>& points) {
  std::string out;
  EncodeSummary(SummaryOf(points), points.front(), &out);
  return absl::BytesToHexString(out);
}

void ExpectSame(const PointsDigest& a, const PointsDigest& b) {
  EXPECT_EQ(a.count, b.count);
  EXPECT_EQ(a.nans, b.nans);
  EXPECT_TRUE(SamePoint(a.first, b.first));
  EXPECT_TRUE(SamePoint(a.last, b.last));
  if (a.HasNumbers()) {
    EXPECT_TRUE(SamePoint(a.min, b.min));
    EXPECT_TRUE(SamePoint(a.max, b.max));
  }
  if (a.nans > 0) {
    EXPECT_TRUE(SamePoint(a.nan, b.nan));
  }
  EXPECT_EQ(a.time_min, b.time_min);
  EXPECT_EQ(a.time_max, b.time_max);
}

// --- Bytes on disk: these do not change.

TEST(SummaryGoldenTest, ACurveThatAscends) {
  EXPECT_EQ(Hex({{1000, 5, 0.5}, {1010, 6, 0.25}, {1020, 7, 0.1}}),
            "01" "01"                  // format, flags: ascends in steps
            "18" "03"                  // least is last, greatest first; count
            "00" "00"                  // first: at the key's step and time,
            "000000000000e03f"         // 0.5
            "02" "28"                  // last: 2 steps and 20 ms on,
            "9a9999999999b93f"         // 0.1
            "00" "14");                // times: 20 ms from the first's
}

TEST(SummaryGoldenTest, StepsThatFallAndNaN) {
  EXPECT_EQ(Hex({{1000, 5, 2}, {1010, 4, NAN}, {1020, 4, -1}, {1030, 9, 1}}),
            "01" "00"
            "1e" "08"                  // last in history: 30 ms, 4 steps on,
            "010000000000f0bf"         // 1
            "41" "04"                  // floats and NaN; count
            "01" "14" "0000c07f"       // first: -1 step, 10 ms
            "05" "28" "0000803f"       // last: 5 steps, 20 ms from the first's
            "00" "14" "000080bf"       // least
            "01" "13" "00000040"       // greatest: 1 step on, 10 ms before
            "01" "00" "00"             // one NaN, the first
            "0a" "14");                // times: 10 ms before to 20 ms after
}

// --- Properties.

TEST(PointsDigestTest, TellsWhatThePointsAre) {
  const PointsDigest digest = DigestOf({{{40, 3, 7},
                                         {10, 1, 2},
                                         {20, 2, NAN},
                                         {5, 2, -3},
                                         {30, 2, -3},
                                         {1, 9, 7}}});
  EXPECT_EQ(digest.count, 6u);
  EXPECT_EQ(digest.nans, 1u);
  EXPECT_TRUE(SamePoint(digest.first, {10, 1, 2}));
  EXPECT_TRUE(SamePoint(digest.last, {1, 9, 7}));
  EXPECT_TRUE(SamePoint(digest.min, {5, 2, -3})) << "the first of equal ones";
  EXPECT_TRUE(SamePoint(digest.max, {40, 3, 7}));
  EXPECT_TRUE(SamePoint(digest.nan, {20, 2, NAN}));
  EXPECT_EQ(digest.time_min, 1);
  EXPECT_EQ(digest.time_max, 40);
}

TEST(PointsDigestTest, PartsAddUpAndComeBack) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 500; ++round) {
    std::vector<MetricPoint> points(1 + random() % 20);
    const int shift = static_cast<int>(random() % 64);
    const bool narrow = random() % 2 == 0;
    for (auto& point : points) {
      point.timestamp_ms = static_cast<int64_t>(random()) >> shift;
      point.step = static_cast<int64_t>(random()) >> shift;
      const double value = static_cast<double>(random() % 9) / 7 - 0.5;
      point.value = random() % 3 == 0 ? NAN
                    : narrow          ? static_cast<float>(value)
                                      : value;
    }
    const PointsDigest whole = DigestOf(points);
    const size_t cut = random() % points.size();
    PointsDigest parts =
        DigestOf(absl::MakeConstSpan(points).subspan(cut));
    parts.Merge(DigestOf(absl::MakeConstSpan(points).subspan(0, cut)));
    ExpectSame(parts, whole);

    const auto base_step = static_cast<int64_t>(random());
    std::string bytes;
    EncodeDigest(whole, base_step, 0, &bytes);
    std::string_view in = bytes;
    PointsDigest read;
    ASSERT_TRUE(ConsumeDigest(&in, base_step, 0, &read));
    EXPECT_TRUE(in.empty());
    ExpectSame(read, whole);
    for (size_t size = 0; size < bytes.size(); ++size) {
      in = std::string_view(bytes).substr(0, size);
      EXPECT_FALSE(ConsumeDigest(&in, base_step, 0, &read));
    }
  }
}

}  // namespace
}  // namespace millstream::storage
