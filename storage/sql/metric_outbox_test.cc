#include "storage/sql/metric_outbox.h"

#include <cmath>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace millstream::storage {
namespace {

// Bytes on disk: these do not change.
TEST(MetricOutboxGoldenTest, TwoSeries) {
  const MetricPoint points[] = {{1000, 7, 0.5}, {-1, -2, -1.0}};
  const SeriesAppend series[] = {{"loss", points}, {"a", {}}};
  EXPECT_EQ(absl::BytesToHexString(EncodeOutbox(series)),
            "01"
            "04000000" "6c6f7373" "02000000"
            "e803000000000000" "0700000000000000" "000000000000e03f"
            "ffffffffffffffff" "feffffffffffffff" "000000000000f0bf"
            "01000000" "61" "00000000");
}

TEST(MetricOutboxTest, SeriesComeBack) {
  const MetricPoint points[] = {{1, 2, 3}, {4, 5, NAN}};
  const SeriesAppend series[] = {{"ü/☃", points}, {"", {points, 1}}};
  auto decoded = DecodeOutbox(EncodeOutbox(series));
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->size(), 2u);
  EXPECT_EQ((*decoded)[0].key, "ü/☃");
  ASSERT_EQ((*decoded)[0].points.size(), 2u);
  EXPECT_TRUE(SamePoint((*decoded)[0].points[1], points[1]));
  EXPECT_EQ((*decoded)[1].key, "");
  EXPECT_EQ((*decoded)[1].points.size(), 1u);
}

TEST(MetricOutboxTest, DamageIsFound) {
  const MetricPoint point{1, 2, 3};
  const SeriesAppend series[] = {{"loss", {&point, 1}}};
  const std::string blob = EncodeOutbox(series);
  EXPECT_FALSE(DecodeOutbox("").ok());
  for (size_t size = 2; size < blob.size(); ++size) {
    EXPECT_FALSE(DecodeOutbox(blob.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeOutbox("\x02" + blob.substr(1)).ok());
  std::string many = blob;
  many.replace(9, 4, "\xff\xff\xff\xff");  // points
  EXPECT_FALSE(DecodeOutbox(many).ok());
}

}  // namespace
}  // namespace millstream::storage
