#include "storage/conformance/metric_store_conformance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "gmock/gmock.h"

namespace millstream::storage {

// As gtest prints and compares points.
void PrintTo(const MetricPoint& point, std::ostream* out) {
  *out << "{" << point.timestamp_ms << ", " << point.step << ", "
       << point.value << "}";
}

namespace {

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";
constexpr char kOtherRun[] = "0123456789abcdef0123456789abcdee";

}  // namespace

MetricStoreConformance::MetricStoreConformance()
    : harness_(GetParam()()), store_(harness_->Open()) {
  harness_->AddRun(kRun);
}

void MetricStoreConformance::Append(std::string_view run_id,
                                    std::string_view key,
                                    const std::vector<MetricPoint>& points,
                                    const AppendOptions& options) {
  harness_->AddRun(run_id);
  const SeriesAppend series{key, points};
  const absl::Status status = store_->Append(run_id, {&series, 1}, options);
  ASSERT_TRUE(status.ok()) << status;
}

std::vector<MetricPoint> MetricStoreConformance::History(
    std::string_view run_id, std::string_view key) {
  std::vector<MetricPoint> points;
  EXPECT_TRUE(store_->ReadHistory(run_id, key, nullptr,
                                  std::numeric_limits<size_t>::max(), &points)
                  .ok());
  return points;
}

std::vector<MetricPoint> MetricStoreConformance::Sample(
    std::string_view run_id, std::string_view key, const StepRange& range,
    size_t max_points) {
  std::vector<MetricPoint> points;
  EXPECT_TRUE(store_->Sample(run_id, key, range, max_points, &points).ok());
  return points;
}

namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

struct Less {
  bool operator()(const MetricPoint& a, const MetricPoint& b) const {
    return HistoryLess(a, b);
  }
};
// What a series must hold.
using Model = std::set<MetricPoint, Less>;

std::vector<MetricPoint> InHistory(const Model& model) {
  return {model.begin(), model.end()};
}

// The reference sample: ranks of the points in it.
std::vector<size_t> ReferenceRanks(size_t count, size_t max_points) {
  std::vector<size_t> ranks;
  size_t begin = 0;
  for (size_t part = 0; part < max_points; ++part) {
    ranks.push_back(begin);
    begin += count / max_points + (part < count % max_points);
  }
  ranks.back() = count - 1;
  return ranks;
}

// Points of a group that do not show all of its values: what comes first in
// `wanted`, as many as there are `slots`.
void ShowGroup(const std::vector<MetricPoint>& wanted, size_t slots,
               std::vector<MetricPoint>* sample) {
  std::set<MetricPoint, Less> shown;
  for (const MetricPoint& point : wanted) {
    if (shown.size() < slots) shown.insert(point);
  }
  std::vector<MetricPoint> points(shown.begin(), shown.end());
  std::sort(points.begin(), points.end(), StepLess);
  sample->insert(sample->end(), points.begin(), points.end());
}

// Sample as its comment defines it, on all points.
std::vector<MetricPoint> ModelSample(const Model& model,
                                     const StepRange& range,
                                     size_t max_points) {
  std::vector<MetricPoint> all;
  for (const MetricPoint& point : model) {
    if (range.first <= point.step && point.step <= range.last) {
      all.push_back(point);
    }
  }
  std::sort(all.begin(), all.end(), StepLess);
  if (all.size() <= max_points) return all;
  const std::vector<size_t> ranks = ReferenceRanks(all.size(), max_points);
  std::vector<MetricPoint> sample;
  if (max_points < 8) {
    for (size_t rank : ranks) sample.push_back(all[rank]);
    return sample;
  }
  for (size_t part = 0; part < max_points;) {
    const size_t left = max_points - part;
    const size_t slots =
        part == 0 || left == 3 || left == 6 ? 3 : std::min<size_t>(left, 2);
    const size_t next = part + slots;
    const auto begin = all.begin() + ranks[part];
    const auto end = next == max_points ? all.end() : all.begin() + ranks[next];
    // Values that the reference sample shows here and beside.
    double low = INFINITY, high = -INFINITY;
    for (size_t i = part == 0 ? 0 : part - 1; i <= next && i < max_points;
         ++i) {
      const double value = all[ranks[i]].value;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const MetricPoint* min = nullptr;
    const MetricPoint* max = nullptr;
    const MetricPoint* nan = nullptr;
    for (auto point = begin; point != end; ++point) {
      if (std::isnan(point->value)) {
        if (nan == nullptr) nan = &*point;
        continue;
      }
      if (min == nullptr || point->value < min->value) min = &*point;
      if (max == nullptr || point->value > max->value) max = &*point;
    }
    std::vector<MetricPoint> wanted;
    if (min != nullptr && (min->value < low || max->value > high)) {
      if (part == 0) wanted.push_back(*begin);
      if (next == max_points) wanted.push_back(*(end - 1));
      wanted.push_back(*min);
      wanted.push_back(*max);
      if (nan != nullptr) wanted.push_back(*nan);
    }
    for (size_t i = part; i < next; ++i) wanted.push_back(all[ranks[i]]);
    ShowGroup(wanted, slots, &sample);
    part = next;
  }
  return sample;
}

MATCHER(IsSamePoint, "") {
  return SamePoint(std::get<0>(arg), std::get<1>(arg));
}
auto ArePoints(const std::vector<MetricPoint>& points) {
  return testing::Pointwise(IsSamePoint(), points);
}

std::vector<MetricPoint> Curve(int64_t first_step, int count) {
  std::vector<MetricPoint> points;
  for (int i = 0; i < count; ++i) {
    const int64_t step = first_step + i;
    points.push_back({1000 + 10 * step, step, 1.0 / (1 + std::abs(step))});
  }
  return points;
}

TEST_P(MetricStoreConformance, AnUnknownSeriesIsEmpty) {
  EXPECT_THAT(History(kRun, "m"), testing::IsEmpty());
  EXPECT_THAT(Sample(kRun, "m", {}, 10), testing::IsEmpty());
  EXPECT_TRUE(store_->ReadLatest(kRun, [](auto, const auto&) { FAIL(); }).ok());
}

TEST_P(MetricStoreConformance, SinglePointsComeInHistoryOrder) {
  const MetricPoint points[] = {
      {30, 3, 3}, {10, 1, 1}, {10, -1, 1}, {5, 3, 9}, {10, 1, -1}};
  for (const auto& point : points) Append(kRun, "m", {point});
  EXPECT_THAT(History(kRun, "m"), ArePoints({{5, 3, 9},
                                             {10, -1, 1},
                                             {10, 1, -1},
                                             {10, 1, 1},
                                             {30, 3, 3}}));
}

TEST_P(MetricStoreConformance, AnAppendInAnyOrderComesInHistoryOrder) {
  Append(kRun, "m", {{30, 3, 3}, {10, 1, 1}, {5, 3, 9}, {10, 1, 1}});
  EXPECT_THAT(History(kRun, "m"),
              ArePoints({{5, 3, 9}, {10, 1, 1}, {30, 3, 3}}));
}

TEST_P(MetricStoreConformance, ReplayedAppendChangesNothing) {
  for (int i = 0; i < 3; ++i) {
    Append(kRun, "m", Curve(0, 100));
    Append(kRun, "m", {{1, 1, 1}});
  }
  EXPECT_EQ(History(kRun, "m").size(), 101u);
}

TEST_P(MetricStoreConformance, OverlappingAppendsAreOneSet) {
  Append(kRun, "m", Curve(0, 100));
  Append(kRun, "m", Curve(50, 100));
  Append(kRun, "m", Curve(0, 1));
  Append(kRun, "m", Curve(149, 1));
  EXPECT_THAT(History(kRun, "m"), ArePoints(Curve(0, 150)));
}

TEST_P(MetricStoreConformance, AppendsThatBeginAlikeKeepAllTheirPoints) {
  Append(kRun, "m", {{1, 1, 1}, {2, 2, 2}});
  Append(kRun, "m", {{1, 1, 1}, {2, 3, 3}});
  EXPECT_THAT(History(kRun, "m"), ArePoints({{1, 1, 1}, {2, 2, 2}, {2, 3, 3}}));
}

TEST_P(MetricStoreConformance, SpecialValuesKeepTheirIdentity) {
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<MetricPoint> points = {
      {7, 1, -infinity}, {7, 1, -0.0},  {7, 1, 0.0},
      {7, 1, NAN},       {7, 1, 5e-324}, {7, 1, infinity}};
  if (!harness_->traits().every_double) {
    const double max = std::numeric_limits<double>::max();
    points = {{7, 1, -max}, {7, 1, 0.0}, {7, 1, NAN}, {7, 1, 1e-300},
              {7, 1, max}};
  }
  Append(kRun, "block", points);
  for (const auto& point : points) Append(kRun, "single", {point});
  Append(kRun, "single", {{7, 1, -NAN}});
  EXPECT_THAT(History(kRun, "block"), ArePoints(points));
  EXPECT_THAT(History(kRun, "single"), ArePoints(points));
}

TEST_P(MetricStoreConformance, ExtremeStepsAndTimes) {
  const std::vector<MetricPoint> points = {
      {kMin, kMax, 1}, {-1, -1, 2}, {0, kMin, 3}, {kMax, 0, 4}};
  Append(kRun, "m", points);
  Append(kRun, "m", {{kMax, kMax, 5}});
  Append(kRun, "m", {{kMin, kMin, 0}});
  std::vector<MetricPoint> expected = points;
  expected.insert(expected.begin(), {kMin, kMin, 0});
  expected.push_back({kMax, kMax, 5});
  EXPECT_THAT(History(kRun, "m"), ArePoints(expected));
  std::vector<MetricPoint> tail;
  ASSERT_TRUE(store_->ReadHistory(kRun, "m", &points[2], 10, &tail).ok());
  EXPECT_THAT(tail, ArePoints({{kMax, 0, 4}, {kMax, kMax, 5}}));
}

TEST_P(MetricStoreConformance, SeriesAndRunsAreApart) {
  const std::string zero("m\0", 2);
  std::vector<std::string> keys = {"m", "m2", "", "a/b", "ü☃",
                                   std::string(250, 'x')};
  if (harness_->traits().zero_bytes) keys.push_back(zero);
  const std::vector<std::string> runs = {
      kRun, kOtherRun, "my-run", "my-run2", std::string(32, 'A'),
      std::string(harness_->traits().run_id_bytes_max, 'r')};
  double value = 0;
  for (const auto& run : runs) {
    for (const auto& key : keys) Append(run, key, {{1, 1, ++value}});
  }
  value = 0;
  for (const auto& run : runs) {
    for (const auto& key : keys) {
      EXPECT_THAT(History(run, key), ArePoints({{1, 1, ++value}}));
    }
  }
}

TEST_P(MetricStoreConformance, OneAppendHoldsManySeries) {
  const std::vector<MetricPoint> curve = Curve(0, 10);
  const MetricPoint point{1, 2, 3};
  const SeriesAppend series[] = {{"a", curve}, {"b", {&point, 1}}, {"c", {}}};
  ASSERT_TRUE(store_->Append(kRun, series, {}).ok());
  EXPECT_THAT(History(kRun, "a"), ArePoints(curve));
  EXPECT_THAT(History(kRun, "b"), ArePoints({point}));
  EXPECT_THAT(History(kRun, "c"), testing::IsEmpty());
}

TEST_P(MetricStoreConformance, HistoryIsReadInPieces) {
  Append(kRun, "m", Curve(0, 1000));
  Append(kRun, "m", Curve(1000, 1));
  Append(kRun, "m", Curve(1001, 1000));
  std::vector<MetricPoint> all;
  while (true) {
    const MetricPoint* after = all.empty() ? nullptr : &all.back();
    std::vector<MetricPoint> page;
    ASSERT_TRUE(store_->ReadHistory(kRun, "m", after, 7, &page).ok());
    all.insert(all.end(), page.begin(), page.end());
    if (page.size() < 7) break;
    ASSERT_EQ(page.size(), 7u);
  }
  EXPECT_THAT(all, ArePoints(Curve(0, 2001)));
}

TEST_P(MetricStoreConformance, LatestIsLastInStepOrder) {
  Append(kRun, "step", {{1, 10, 5}, {2, 99, 4}, {99, 9, 4}});
  Append(kRun, "time", {{10, 5, 1}});
  Append(kRun, "time", {{9, 5, 2}});
  Append(kRun, "value", {{10, 5, 1}, {10, 5, 2}, {10, 5, 0}});
  Append(kRun, "nan", {{5, 1, NAN}, {5, 1, 2}});
  Append(kRun, "nan0", {{5, 1, NAN}, {5, 1, -2}});
  Append(kOtherRun, "step", {{1, 1000, 1}});
  std::map<std::string, MetricPoint> latest;
  ASSERT_TRUE(store_
                  ->ReadLatest(kRun,
                               [&](std::string_view key,
                                   const MetricPoint& point) {
                                 EXPECT_TRUE(latest.emplace(key, point).second);
                               })
                  .ok());
  ASSERT_EQ(latest.size(), 5u);
  EXPECT_TRUE(SamePoint(latest["step"], {2, 99, 4}));
  EXPECT_TRUE(SamePoint(latest["time"], {10, 5, 1}));
  EXPECT_TRUE(SamePoint(latest["value"], {10, 5, 2}));
  EXPECT_TRUE(SamePoint(latest["nan"], {5, 1, 2}));
  EXPECT_TRUE(SamePoint(latest["nan0"], {5, 1, NAN}));
}

TEST_P(MetricStoreConformance, SampleOfStepsThatAscendWithTime) {
  for (int64_t i = 0; i < 10; ++i) Append(kRun, "m", Curve(4000 * i, 4000));
  Model model;
  for (const auto& point : Curve(0, 40000)) model.insert(point);
  for (size_t max : {1, 2, 5, 7, 320, 2500, 39999, 40000, 50000}) {
    EXPECT_THAT(Sample(kRun, "m", {}, max),
                ArePoints(ModelSample(model, {}, max)));
  }
  for (const StepRange& range :
       {StepRange{0, 0}, StepRange{3999, 4001}, StepRange{-5, 17},
        StepRange{39999, kMax}, StepRange{50000, 60000}}) {
    EXPECT_THAT(Sample(kRun, "m", range, 3),
                ArePoints(ModelSample(model, range, 3)));
  }
}

TEST_P(MetricStoreConformance, SampleOfATrainingThatWasResumed) {
  Model model;
  for (auto [first, shift] : {std::pair{0, 0}, {300, 10000}, {100, 20000}}) {
    std::vector<MetricPoint> points = Curve(first, 500);
    for (auto& point : points) point.timestamp_ms += shift;
    Append(kRun, "m", points);
    model.insert(points.begin(), points.end());
  }
  for (size_t max : {1, 3, 100, 1499}) {
    EXPECT_THAT(Sample(kRun, "m", {}, max),
                ArePoints(ModelSample(model, {}, max)));
  }
}

TEST_P(MetricStoreConformance, SampleLosesNoSpike) {
  Model model;
  for (int i = 0; i < 20000; ++i) {
    model.insert({i, i, i == 7777 ? 50 : i == 7790 ? -50 : std::sin(i * 0.01)});
  }
  model.insert({20000, 20000, NAN});
  Append(kRun, "m", InHistory(model));
  for (size_t max : {8, 9, 10, 11, 12, 100, 320}) {
    const std::vector<MetricPoint> sample = Sample(kRun, "m", {}, max);
    EXPECT_THAT(sample, ArePoints(ModelSample(model, {}, max)));
    EXPECT_EQ(sample.size(), max);
    auto has = [&](double value) {
      return std::any_of(sample.begin(), sample.end(),
                         [=](const auto& p) { return p.value == value; });
    };
    EXPECT_TRUE(has(50)) << max;
    EXPECT_TRUE(has(-50)) << max;
    EXPECT_TRUE(SamePoint(sample.front(), *model.begin()));
    EXPECT_TRUE(SamePoint(sample.back(), *model.rbegin()));
  }
}

TEST_P(MetricStoreConformance, SampleOfACurveThatRisesIsTheReferences) {
  Model model;
  for (int i = 0; i < 5000; ++i) model.insert({i, i, std::sqrt(i)});
  Append(kRun, "m", InHistory(model));
  const std::vector<MetricPoint> all = InHistory(model);
  for (size_t max : {8, 50, 320}) {
    std::vector<MetricPoint> expected;
    for (size_t rank : ReferenceRanks(all.size(), max)) {
      expected.push_back(all[rank]);
    }
    EXPECT_THAT(Sample(kRun, "m", {}, max), ArePoints(expected));
  }
}

TEST_P(MetricStoreConformance, SampleOfManyPointsOnOneStep) {
  Model model;
  for (int i = 0; i < 3000; ++i) model.insert({i, 0, std::sin(i)});
  Append(kRun, "m", InHistory(model));
  EXPECT_THAT(Sample(kRun, "m", {}, 320),
              ArePoints(ModelSample(model, {}, 320)));
}

// Appends of every shape against a set, read in every way.
TEST_P(MetricStoreConformance, AgreesWithAModel) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 40; ++round) {
    const std::string key = "m" + std::to_string(round);
    const int64_t times = 1 + random() % (round % 2 ? 30 : 1000000);
    const int64_t steps = 1 + random() % (round % 3 ? 1000 : 3);
    Model model;
    for (int append = 0; append < 20; ++append) {
      const bool single = random() % 3 == 0;
      std::vector<MetricPoint> points(single ? 1 : random() % 60);
      for (auto& point : points) {
        point.timestamp_ms = static_cast<int64_t>(random() % times);
        point.step = static_cast<int64_t>(random() % steps);
        point.value = random() % 10 == 0 ? NAN : random() % 4;
      }
      Append(kRun, key, points, {.durability = Durability::kProcess});
      model.insert(points.begin(), points.end());
    }
    if (round % 8 == 0) Reopen();
    const std::vector<MetricPoint> expected = InHistory(model);
    ASSERT_THAT(History(kRun, key), ArePoints(expected));
    for (int i = 0; i < 20; ++i) {
      const size_t at = random() % expected.size();
      const size_t limit = random() % 50;
      std::vector<MetricPoint> page;
      ASSERT_TRUE(
          store_->ReadHistory(kRun, key, &expected[at], limit, &page).ok());
      const size_t end = std::min(expected.size(), at + 1 + limit);
      ASSERT_THAT(page, ArePoints({expected.begin() + at + 1,
                                   expected.begin() + end}));
      StepRange range;
      if (i > 5) range.first = static_cast<int64_t>(random() % steps);
      if (i > 9) {
        range.last = range.first + static_cast<int64_t>(random() % steps);
      }
      const size_t max = 1 + random() % 400;
      ASSERT_THAT(Sample(kRun, key, range, max),
                  ArePoints(ModelSample(model, range, max)));
    }
  }
}

TEST_P(MetricStoreConformance, BothDurabilitiesSurviveReopening) {
  Append(kRun, "m", {{1, 1, 1}}, {.durability = Durability::kMachine});
  Append(kRun, "m", {{2, 2, 2}}, {.durability = Durability::kProcess});
  EXPECT_TRUE(store_->Sync().ok());
  Reopen();
  EXPECT_THAT(History(kRun, "m"), ArePoints({{1, 1, 1}, {2, 2, 2}}));
}

TEST_P(MetricStoreConformance, MarksStayUntilTheyAreRemoved) {
  if (!harness_->traits().marks) {
    const MetricPoint point{1, 1, 1};
    const SeriesAppend series{"m", {&point, 1}};
    EXPECT_TRUE(absl::IsUnimplemented(
        store_->Append(kRun, {&series, 1}, {.mark = 7})));
    EXPECT_THAT(*store_->ListMarks(), testing::IsEmpty());
    EXPECT_THAT(History(kRun, "m"), testing::IsEmpty());
    return;
  }
  Append(kRun, "m", {{1, 1, 1}}, {.mark = 7});
  Append(kRun, "m", {{2, 2, 2}}, {.mark = 8});
  Append("my-run", "m", {{2, 2, 2}}, {.mark = 7});
  Append(kOtherRun, "m", {{2, 2, 2}});
  const RunMark gone[] = {{kRun, 7}, {kOtherRun, 1}};
  ASSERT_TRUE(store_->RemoveMarks(gone).ok());
  Reopen();
  auto marks = store_->ListMarks();
  ASSERT_TRUE(marks.ok());
  std::set<std::pair<std::string, uint64_t>> found;
  for (const RunMark& mark : *marks) found.emplace(mark.run_id, mark.number);
  EXPECT_THAT(found,
              testing::ElementsAre(std::pair(std::string(kRun), 8u),
                                   std::pair(std::string("my-run"), 7u)));
}

TEST_P(MetricStoreConformance, TheLastFrameOfEachWriterAndRunIsKept) {
  EXPECT_EQ(*store_->ReadLastFrame(kRun, "rank 0"), 0u);
  const std::string zero("rank\0", 5);
  Append(kRun, "m", {{1, 1, 1}}, {.frame = {"rank 0", 1}});
  Append(kRun, "m", {{2, 2, 2}}, {.frame = {"rank 0", 3}});
  Append(kRun, "m", {{3, 3, 3}}, {.frame = {"rank 1", 7}});
  Append(kRun, "m", {{4, 4, 4}}, {.frame = {zero, 8}});
  Append("my-run", "m", {{4, 4, 4}}, {.frame = {"rank 0", 1ull << 63}});
  Append(kOtherRun, "m", {{4, 4, 4}});
  Reopen();
  EXPECT_EQ(*store_->ReadLastFrame(kRun, "rank 0"), 3u);
  EXPECT_EQ(*store_->ReadLastFrame(kRun, "rank 1"), 7u);
  EXPECT_EQ(*store_->ReadLastFrame(kRun, "rank"), 0u);
  EXPECT_EQ(*store_->ReadLastFrame(kRun, zero), 8u);
  EXPECT_EQ(*store_->ReadLastFrame("my-run", "rank 0"), 1ull << 63);
  EXPECT_EQ(*store_->ReadLastFrame(kOtherRun, "rank 0"), 0u);
  EXPECT_THAT(History(kRun, "m"),
              ArePoints({{1, 1, 1}, {2, 2, 2}, {3, 3, 3}, {4, 4, 4}}));
}

TEST_P(MetricStoreConformance, AFrameMayHoldNoPoints) {
  ASSERT_TRUE(store_->Append(kRun, {}, {.frame = {"w", 5}}).ok());
  Reopen();
  EXPECT_EQ(*store_->ReadLastFrame(kRun, "w"), 5u);
  EXPECT_TRUE(store_->ReadLatest(kRun, [](auto, const auto&) { FAIL(); }).ok());
}

TEST_P(MetricStoreConformance, ManyThreadsAppendAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::vector<MetricPoint> one = {{i, i, double(t)}};
        const SeriesAppend series[] = {{"m", one}};
        ASSERT_TRUE(store_->Append(kRun, series, {}).ok());
        std::vector<MetricPoint> points;
        ASSERT_TRUE(
            store_->ReadHistory(kRun, "m", nullptr, 1000, &points).ok());
        EXPECT_GE(points.size(), static_cast<size_t>(i));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(History(kRun, "m").size(), 200u);
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MetricStoreConformance);

}  // namespace millstream::storage
