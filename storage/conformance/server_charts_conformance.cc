// Charts of series that a database server thins out itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>
#include <vector>

#include "storage/conformance/database_server.h"
#include "storage/sql/sql_metric_store.h"

namespace millstream::storage {
namespace {

using sql::Transaction;

constexpr size_t kMax = 20;
// So that it is made by the server.
constexpr int kPoints = 20 * kChartPointsExactEach + 1000;

absl::Status MakeTable(sql::Database& database) {
  return database.Write([](Transaction& transaction) {
    return transaction.Execute(
        "CREATE TABLE metrics (run_uuid VARCHAR(32), \"key\" VARCHAR(250), "
        "\"timestamp\" BIGINT, step BIGINT, value DOUBLE PRECISION, "
        "is_nan BOOLEAN)");
  });
}

void Add(sql::Database& database, const std::vector<MetricPoint>& points) {
  ASSERT_TRUE(MakeTable(database).ok());
  static constexpr std::string_view kColumns[] = {
      "run_uuid", "key", "timestamp", "step", "value", "is_nan"};
  std::vector<sql::Cell> cells;
  for (const MetricPoint& point : points) {
    const bool is_nan = std::isnan(point.value);
    cells.insert(cells.end(),
                 {std::string_view("r"), std::string_view("m"),
                  point.timestamp_ms, point.step, is_nan ? 0.0 : point.value,
                  sql::Cell(is_nan)});
  }
  const absl::Status status = database.Write([&](Transaction& transaction) {
    return transaction.InsertRowsLater(
        {.table = "metrics", .columns = kColumns, .cells = cells});
  });
  ASSERT_TRUE(status.ok()) << status;
}

std::vector<MetricPoint> Sample(sql::Database& database,
                                const StepRange& range = {}) {
  std::vector<MetricPoint> sample = {{.step = 77}};
  SqlMetricStore store(&database, /*exact_points=*/0);
  const absl::Status status = store.Sample("r", "m", range, kMax, &sample);
  EXPECT_TRUE(status.ok()) << status;
  // Appended.
  EXPECT_EQ(sample.front().step, 77);
  sample.erase(sample.begin());
  EXPECT_LE(sample.size(), kMax);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end(), StepLess));
  return sample;
}

// That all are points of `all`, among them its ends and its extremes.
void ExpectShows(const std::vector<MetricPoint>& sample,
                 std::vector<MetricPoint> all) {
  std::sort(all.begin(), all.end(), StepLess);
  for (const MetricPoint& point : sample) {
    EXPECT_TRUE(
        std::binary_search(all.begin(), all.end(), point, StepLess));
  }
  ASSERT_FALSE(sample.empty());
  EXPECT_TRUE(SamePoint(sample.front(), all.front()));
  EXPECT_TRUE(SamePoint(sample.back(), all.back()));
  const auto by_value = [](const MetricPoint& a, const MetricPoint& b) {
    return a.value < b.value;
  };
  std::erase_if(all, [](const auto& p) { return std::isnan(p.value); });
  const auto [least, greatest] =
      std::minmax_element(all.begin(), all.end(), by_value);
  for (const double value : {least->value, greatest->value}) {
    EXPECT_TRUE(std::any_of(
        sample.begin(), sample.end(),
        [&](const MetricPoint& point) { return point.value == value; }));
  }
}

TEST_P(ServerChartsConformance, HaveEndsAndExtremes) {
  std::vector<MetricPoint> points;
  for (int i = 0; i < kPoints; ++i) {
    points.push_back({1000 + i, i * 3, std::sin(i * 0.01)});
  }
  points[1234].value = 50;
  points[4321].value = -50;
  Add(*database_, points);
  const std::vector<MetricPoint> sample = Sample(*database_);
  ExpectShows(sample, points);
  EXPECT_GE(sample.size(), kMax - 2);
  // All along the curve.
  for (int part = 0; part < 4; ++part) {
    EXPECT_TRUE(std::any_of(
        sample.begin(), sample.end(), [&](const MetricPoint& point) {
          return point.step * 4 / (3 * kPoints) == part;
        }));
  }
}

TEST_P(ServerChartsConformance, AreOfTheRange) {
  std::vector<MetricPoint> points, inside;
  for (int i = 0; i < 2 * kPoints; ++i) {
    points.push_back({i, i - kPoints, static_cast<double>(i % 1000)});
    if (i >= kPoints / 2 && i < kPoints / 2 + kPoints) {
      inside.push_back(points.back());
    }
  }
  Add(*database_, points);
  ExpectShows(
      Sample(*database_, {inside.front().step, inside.back().step}), inside);
}

TEST_P(ServerChartsConformance, OfOneStepGoByTime) {
  std::vector<MetricPoint> points;
  for (int i = 0; i < kPoints; ++i) {
    points.push_back({5 * i, 0, static_cast<double>(i)});
  }
  Add(*database_, points);
  const std::vector<MetricPoint> sample = Sample(*database_);
  ExpectShows(sample, points);
  EXPECT_GE(sample.size(), kMax - 2);
}

TEST_P(ServerChartsConformance, OfEqualValuesAndNan) {
  std::vector<MetricPoint> points;
  for (int i = 0; i < kPoints; ++i) {
    points.push_back(
        {i / 2, i / 7, i % 50 == 1 ? std::nan("") : 0.25});
  }
  Add(*database_, points);
  const std::vector<MetricPoint> sample = Sample(*database_);
  ExpectShows(sample, points);
  EXPECT_TRUE(std::any_of(sample.begin(), sample.end(), [](const auto& p) {
    return std::isnan(p.value);
  }));
}

TEST_P(ServerChartsConformance, OfTheFarthestSteps) {
  std::vector<MetricPoint> points;
  for (int i = 0; i < kPoints; ++i) {
    points.push_back({i, i, static_cast<double>(i)});
  }
  points.push_back({-1, std::numeric_limits<int64_t>::min(), 1e300});
  points.push_back({-1, std::numeric_limits<int64_t>::max(), -1e300});
  Add(*database_, points);
  ExpectShows(Sample(*database_), points);
}

// Which the server would take a minute to read.
TEST_P(ServerChartsConformance, EndWithTheirCallers) {
  ASSERT_TRUE(Run(StrCat("CREATE VIEW metrics AS SELECT 'r' AS run_uuid, "
                         "'m' AS \"key\", 1 AS \"timestamp\", 1 AS step, "
                         "0.5 AS value, 1 = 0 AS is_nan FROM (",
                         server().sleep_sql(), ") AS slow"))
                  .ok());
  SqlMetricStore store(database_.get());
  std::vector<MetricPoint> points;
  const absl::Time begin = absl::Now();
  absl::Status status =
      store.SampleFor(Impatient(5), "r", "m", {}, kMax, &points);
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  status = store.ReadHistoryFor(Impatient(5), "r", "m", nullptr, 1, &points);
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
}

}  // namespace
}  // namespace millstream::storage
