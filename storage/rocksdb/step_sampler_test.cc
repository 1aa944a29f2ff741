// Charts of series that have rollups, against all of their points. Exact charts
// are in the conformance suite.
#include "storage/rocksdb/step_sampler.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_metric_store.h"
#include "storage/rocksdb/rollups.h"

namespace millstream::storage {
namespace {

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";

// Few points go the way of many.
PackingOptions SmallOptions() {
  PackingOptions options;
  options.loose_points = 100;
  options.loose_records = 50;
  options.quiet = absl::ZeroDuration();
  options.block_points = 32;
  options.small_block_points = 16;
  options.batch_points = 256;
  options.rewrite_points = 512;
  options.rollup_points = 64;
  options.bucket_points = 4;
  options.top_buckets = 8;
  options.exact_points = 400;
  options.exact_points_each = 32;
  return options;
}

struct Less {
  bool operator()(const MetricPoint& a, const MetricPoint& b) const {
    return StepLess(a, b);
  }
};
using Model = std::set<MetricPoint, Less>;

// The sample by groups of steps, as step_sampler.h has it, of all points.
std::vector<MetricPoint> ModelSample(const Model& model, StepRange range,
                                     size_t max_points) {
  std::vector<MetricPoint> all;
  for (const MetricPoint& point : model) {
    if (range.first <= point.step && point.step <= range.last) {
      all.push_back(point);
    }
  }
  range = {std::max(range.first, model.begin()->step),
           std::min(range.last, model.rbegin()->step)};
  const auto groups = static_cast<int64_t>((max_points - 2) / 2);
  int level = kRollupLevelMax;
  auto buckets = [&] {
    return BucketOf(range.last, level) - BucketOf(range.first, level) + 1;
  };
  while (buckets() < 2 * groups) --level;
  std::vector<std::vector<MetricPoint>> grouped(groups);
  for (const MetricPoint& point : all) {
    const int64_t place =
        BucketOf(point.step, level) - BucketOf(range.first, level);
    grouped[place * groups / buckets()].push_back(point);
  }
  std::erase_if(grouped, [](const auto& group) { return group.empty(); });

  Model chosen = {all.front(), all.back()};
  for (const auto& group : grouped) {
    const MetricPoint* min = nullptr;
    const MetricPoint* max = nullptr;
    for (const MetricPoint& point : group) {
      if (std::isnan(point.value)) continue;
      if (min == nullptr || point.value < min->value) min = &point;
      if (max == nullptr || point.value > max->value) max = &point;
    }
    chosen.insert(min == nullptr ? group.front() : *min);
    chosen.insert(max == nullptr ? group.front() : *max);
  }
  for (const auto& group : grouped) {
    auto nan = std::find_if(group.begin(), group.end(), [](const auto& point) {
      return std::isnan(point.value);
    });
    if (nan != group.end() && chosen.size() < max_points) chosen.insert(*nan);
  }
  if (chosen.size() + grouped.size() <= max_points) {
    for (const auto& group : grouped) chosen.insert(group.front());
    if (chosen.size() + grouped.size() <= max_points) {
      for (const auto& group : grouped) chosen.insert(group.back());
    }
  }
  return {chosen.begin(), chosen.end()};
}

class StepSamplerTest : public testing::TestWithParam<bool> {
 protected:
  StepSamplerTest() {
    folder_ = testing::TempDir() + "charts";
    std::filesystem::remove_all(folder_);
    options_.packing = SmallOptions();
    options_.pack_in_background = GetParam();
    Open();
  }
  ~StepSamplerTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Open() {
    store_.reset();
    auto store = OpenRocksDbMetricStore(folder_, options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  void Append(const std::vector<MetricPoint>& points, Model* model) {
    const SeriesAppend series{"m", points};
    AppendOptions options;
    options.durability = Durability::kProcess;
    ASSERT_TRUE(store_->Append(kRun, {&series, 1}, options).ok());
    model->insert(points.begin(), points.end());
    if (!GetParam() && ++appends_ % 4 == 0) {
      ASSERT_TRUE(store_->PackAll().ok());
    }
  }

  std::vector<MetricPoint> Sample(const StepRange& range, size_t max_points) {
    std::vector<MetricPoint> points;
    EXPECT_TRUE(
        store_->Sample(kRun, "m", range, max_points, &points).ok());
    return points;
  }

  // What every sample of more than 7 points has.
  void ExpectExtremes(const Model& model, const StepRange& range,
                      const std::vector<MetricPoint>& sample, size_t max) {
    std::vector<MetricPoint> all;
    for (const MetricPoint& point : model) {
      if (range.first <= point.step && point.step <= range.last) {
        all.push_back(point);
      }
    }
    ASSERT_EQ(sample.empty(), all.empty());
    if (all.empty()) return;
    ASSERT_LE(sample.size(), max);
    EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end(), StepLess));
    for (const MetricPoint& point : sample) EXPECT_TRUE(model.contains(point));
    EXPECT_TRUE(SamePoint(sample.front(), all.front()));
    EXPECT_TRUE(SamePoint(sample.back(), all.back()));
    auto bounds = [](const std::vector<MetricPoint>& points) {
      double least = INFINITY, greatest = -INFINITY;
      for (const MetricPoint& point : points) {
        if (point.value < least) least = point.value;
        if (point.value > greatest) greatest = point.value;
      }
      return std::pair(least, greatest);
    };
    EXPECT_EQ(bounds(sample), bounds(all));
  }

  void ExpectModelSample(const Model& model, const StepRange& range,
                         size_t max) {
    if (GetParam()) {  // which would come to it some time
      ASSERT_TRUE(store_->PackAll().ok());
    }
    const std::vector<MetricPoint> sample = Sample(range, max);
    const std::vector<MetricPoint> expected = ModelSample(model, range, max);
    ASSERT_EQ(sample.size(), expected.size()) << max;
    for (size_t i = 0; i < sample.size(); ++i) {
      ASSERT_TRUE(SamePoint(sample[i], expected[i])) << max << " " << i;
    }
    ExpectExtremes(model, range, sample, max);
  }

  std::string folder_;
  RocksDbOptions options_;
  std::unique_ptr<RocksDbMetricStore> store_;
  int appends_ = 0;
};

INSTANTIATE_TEST_SUITE_P(PackedInTurn, StepSamplerTest, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(PackedInTheBackground, StepSamplerTest,
                         testing::Values(true));

std::vector<MetricPoint> Curve(int64_t first, int64_t count, int64_t stride) {
  std::vector<MetricPoint> points;
  for (int64_t i = first; i < first + count; ++i) {
    const double value = std::sin(static_cast<double>(i * i % 1009)) / 3;
    points.push_back(
        {1000 + 10 * i + i % 3, stride * i, i % 97 == 0 ? NAN : value});
  }
  return points;
}

TEST_P(StepSamplerTest, GroupsOfStepsShowTheirExtremes) {
  for (int64_t stride : {1, 7}) {
    store_.reset();
    std::filesystem::remove_all(folder_);
    Open();
    Model model;
    for (int64_t i = -1500; i < 1500; i += 60) {
      Append(Curve(i, 60, stride), &model);
    }
    for (size_t max : {8, 9, 13, 20, 40}) {
      ExpectModelSample(model, {}, max);
      for (int64_t first : {-1500, -1433, -1024, -1}) {
        ExpectModelSample(
            model, {stride * first + 1, stride * (first + 1400) + 2}, max);
      }
    }
    Open();
    ExpectModelSample(model, {}, 20);
  }
}

TEST_P(StepSamplerTest, LateAndRepeatedPointsCount) {
  Model model;
  for (int64_t i = 0; i < 3000; i += 60) Append(Curve(i, 60, 1), &model);
  // A training that was resumed from an earlier step, and stray points.
  for (int64_t i = 1000; i < 2000; i += 50) {
    std::vector<MetricPoint> again = Curve(i, 50, 1);
    for (MetricPoint& point : again) {
      point.timestamp_ms += 100'000;
      point.value += 0.25;
    }
    Append(again, &model);
    Append(Curve(i, 5, 1), &model);
    Append({{0, i + 3, 9.0 + static_cast<double>(i)}, {1, i, -3}}, &model);
  }
  for (size_t max : {8, 20, 30}) {
    ExpectModelSample(model, {}, max);
    ExpectModelSample(model, {777, 2777}, max);
  }
}

// Steps that lie in heaps, are all the same, or lie ever further apart.
TEST_P(StepSamplerTest, NoExtremeIsLostWhereverTheStepsAre) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 12; ++round) {
    store_.reset();
    std::filesystem::remove_all(folder_);
    Open();
    Model model;
    int64_t time = 0;
    for (int append = 0; append < 40; ++append) {
      std::vector<MetricPoint> points;
      for (int i = 0; i < 50; ++i) {
        time += static_cast<int64_t>(random() % 5);
        int64_t step = 0;
        switch (round % 6) {
          case 0: break;
          case 1: step = time / 800; break;
          case 2: step = append < 30 ? time : time * time * time; break;
          case 3: step = static_cast<int64_t>(random()); break;
          case 4: step = append == 20 ? time << 40 : time; break;
          default: step = static_cast<int64_t>(random() % 4000);
        }
        const auto value = static_cast<double>(random() % 100'000);
        points.push_back({random() % 40 == 0 ? time / 2 : time, step,
                          random() % 50 == 0 ? NAN : value});
      }
      Append(points, &model);
    }
    for (size_t max : {8, 11, 30, 100}) {
      ExpectExtremes(model, {}, Sample({}, max), max);
      for (int i = 0; i < 10; ++i) {
        auto at = [&] {
          return std::next(model.begin(), random() % model.size())->step;
        };
        StepRange range = {at(), at()};
        if (range.first > range.last) std::swap(range.first, range.last);
        ExpectExtremes(model, range, Sample(range, max), max);
      }
    }
  }
}

// --- Bytes on disk: these do not change.

TEST(SeriesInfoGoldenTest, LevelsAndTheirBuckets) {
  SeriesInfo info;
  info.packed_points = 70'000;
  info.finest = 4;
  info.level_buckets = {274, 69};
  std::string bytes;
  EncodeSeriesInfo(info, &bytes);
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "01" "f0a204"   // format, 70,000 points
            "04" "02"       // levels 4 and 5
            "9202" "45");   // 274 and 69 buckets
  SeriesInfo read;
  ASSERT_TRUE(ParseSeriesInfo(bytes, &read));
  EXPECT_EQ(read.packed_points, info.packed_points);
  EXPECT_EQ(read.coarsest(), 5);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(
        ParseSeriesInfo(std::string_view(bytes).substr(0, size), &read));
  }
}

TEST(RollupTest, BucketsOfNegativeAndExtremeSteps) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(BucketOf(-1, 1), -1);
  EXPECT_EQ(BucketOf(-4, 1), -1);
  EXPECT_EQ(BucketOf(-5, 1), -2);
  EXPECT_EQ(BucketFirst(-2, 1), -8);
  EXPECT_EQ(BucketLast(-2, 1), -5);
  for (int level : {0, 1, 30, 31}) {
    EXPECT_EQ(BucketFirst(BucketOf(kMin, level), level), kMin);
    EXPECT_EQ(BucketLast(BucketOf(kMax, level), level), kMax);
  }
}

}  // namespace
}  // namespace millstream::storage
