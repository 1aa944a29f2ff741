#include "storage/rocksdb/loose_runs.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kLater = kNow + absl::Seconds(10);

class LooseRunsTest : public testing::Test {
 protected:
  LooseRunsTest() {
    options_.loose_points = 100;
    options_.loose_records = 10;
    options_.quiet = absl::Seconds(10);
  }

  uint64_t Append(const std::string& run_id, const std::string& key,
                  size_t points, bool committed = true) {
    const uint64_t mark = runs_.Begin(run_id);
    End(run_id, mark, key, points, committed);
    return mark;
  }
  void End(const std::string& run_id, uint64_t mark, const std::string& key,
           size_t points, bool committed = true) {
    LooseAppend series{key, {}};
    series.extent.points = points;
    series.extent.records = 1;
    series.extent.classes = points == 1 ? 1 : 2;
    series.extent.first_ms = static_cast<int64_t>(points);
    runs_.End(run_id, mark, committed, {&series, 1}, kNow);
  }
  LooseRuns::Work Due(absl::Time now) {
    auto work = runs_.Next(now);
    EXPECT_TRUE(work.has_value());
    return work.value_or(LooseRuns::Work());
  }
  bool NothingDue(absl::Time now) { return !runs_.Next(now).has_value(); }

  PackingOptions options_;
  LooseRuns runs_{options_};
};

TEST_F(LooseRunsTest, AppendsGiveMarksUntilOneIsInTheStore) {
  const uint64_t a = runs_.Begin("run");
  const uint64_t b = runs_.Begin("run");
  EXPECT_NE(a, 0u);
  EXPECT_NE(b, 0u);
  EXPECT_NE(a, b);
  End("run", a, "m", 1, /*committed=*/false);
  EXPECT_NE(runs_.Begin("run"), 0u) << "the first failed";
  End("run", b, "m", 1);
  EXPECT_EQ(runs_.Begin("run"), 0u);
}

TEST_F(LooseRunsTest, ASeriesIsDueWhenItGatheredPointsOrRecords) {
  Append("run", "few", 99);
  for (int i = 0; i < 9; ++i) Append("run", "singles", 1);
  EXPECT_TRUE(NothingDue(kNow));
  Append("run", "few", 1);
  LooseRuns::Work work = Due(kNow);
  EXPECT_FALSE(work.whole);
  EXPECT_EQ(work.key, "few");
  EXPECT_TRUE(NothingDue(kNow)) << "it starts from nothing";
  Append("run", "singles", 1);
  EXPECT_EQ(Due(kNow).key, "singles");
}

TEST_F(LooseRunsTest, PointsThatWaitPutTheNextTimeOff) {
  Append("run", "m", 100);
  runs_.Packed(Due(kNow), 1000);
  Append("run", "m", 499);
  EXPECT_TRUE(NothingDue(kNow));
  Append("run", "m", 1);
  EXPECT_EQ(Due(kNow).key, "m");
}

TEST_F(LooseRunsTest, WhereTheRecordsAreIsKnownFromOnePackingToTheNext) {
  Append("run", "m", 100);
  LooseRuns::Work work = Due(kNow);
  EXPECT_FALSE(work.extent.has_value()) << "there may be older ones";
  Append("run", "m", 99);  // while it is being packed
  runs_.Packed(work, 0);
  Append("run", "m", 1);
  work = Due(kNow);
  ASSERT_TRUE(work.extent.has_value());
  EXPECT_EQ(work.extent->points, 100u);
  EXPECT_EQ(work.extent->classes, 3u);
  EXPECT_EQ(work.extent->first_ms, 1);
  runs_.Packed(work, 7);
  Append("run", "m", 100);
  EXPECT_FALSE(Due(kNow).extent.has_value()) << "some wait";
  Append("run", "m", 100);
  EXPECT_FALSE(Due(kNow).extent.has_value()) << "packing failed";
}

TEST_F(LooseRunsTest, AQuietRunIsCleanOnceItIsPacked) {
  const uint64_t mark = Append("run", "m", 2);
  EXPECT_EQ(runs_.NextQuiet(), kLater);
  EXPECT_TRUE(NothingDue(kNow));
  const LooseRuns::Work work = Due(kLater);
  EXPECT_TRUE(work.whole);
  EXPECT_TRUE(NothingDue(kLater));
  EXPECT_THAT(runs_.Clean(work), ElementsAre(mark));
  EXPECT_THAT(runs_.RunIds(), IsEmpty());
  EXPECT_NE(Append("run", "m", 1), 0u) << "marks again";
}

TEST_F(LooseRunsTest, AnAppendInBetweenKeepsTheMarks) {
  Append("run", "m", 2);
  const LooseRuns::Work before = Due(kLater);
  Append("run", "m", 1);
  EXPECT_THAT(runs_.Clean(before), IsEmpty());

  const LooseRuns::Work during = Due(kLater);
  const uint64_t none = runs_.Begin("run");
  EXPECT_EQ(none, 0u);
  EXPECT_THAT(runs_.Clean(during), IsEmpty());
  End("run", none, "m", 1);
  EXPECT_THAT(runs_.Clean(Due(kLater)), testing::SizeIs(1));
}

TEST_F(LooseRunsTest, AFailedAppendKeepsItsRunAndMark) {
  const uint64_t mark = Append("run", "m", 2, /*committed=*/false);
  EXPECT_THAT(runs_.Clean(Due(kLater)), ElementsAre(mark));
}

TEST_F(LooseRunsTest, FailedWorkIsDueAgain) {
  Append("run", "m", 100);
  runs_.Failed(Due(kNow), kNow);
  EXPECT_TRUE(NothingDue(kNow));
  LooseRuns::Work work = Due(kLater);
  EXPECT_TRUE(work.whole);
  runs_.Failed(work, kLater);
  EXPECT_TRUE(NothingDue(kLater));
  EXPECT_TRUE(Due(kLater + options_.quiet).whole);
}

TEST_F(LooseRunsTest, MarkedRunsAreDueAtOnceAndNumbersGoOn) {
  runs_.AddMarked("run", 41);
  runs_.AddMarked("run", 7);
  EXPECT_EQ(runs_.Begin("other"), 42u);
  EXPECT_THAT(runs_.Clean(Due(kNow)), testing::UnorderedElementsAre(41, 7));
}

TEST_F(LooseRunsTest, TheRunThatIsQuietLongestComesFirst) {
  Append("a", "m", 1);
  Append("b", "m", 1);
  Append("a", "m", 1);
  EXPECT_EQ(Due(kLater).run_id, "b");
  EXPECT_EQ(Due(kLater).run_id, "a");
}

}  // namespace
}  // namespace millstream::storage
