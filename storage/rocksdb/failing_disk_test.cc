// What callers of the metric store see while its disk fails.
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/disk_full.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "storage/rocksdb/failing_file_system.h"
#include "storage/rocksdb/rocksdb_metric_store.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage {
namespace {

using rocksdb::IOStatus;

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";
constexpr absl::Duration kPatience = absl::Seconds(60);

class FailingDiskTest : public ::testing::Test {
 protected:
  FailingDiskTest() {
    RocksDbOptions options;
    options.env = env_.get();
    store_ = *OpenRocksDbMetricStore(folder(), options);
  }

  std::string folder() const { return dir_.path() + "/metrics"; }

  // One point, as a frame of the same number.
  absl::Status Append(int64_t step) {
    const MetricPoint point{step, step, 0.5};
    const SeriesAppend series{"m", {&point, 1}};
    return store_->Append(
        kRun, {&series, 1},
        {.frame = {"w", static_cast<uint64_t>(step)}});
  }
  absl::Status AppendAtLast(int64_t step) {
    const absl::Time end = absl::Now() + kPatience;
    absl::Status status;
    while (!(status = Append(step)).ok() && absl::Now() < end) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    return status;
  }
  size_t Points() {
    std::vector<MetricPoint> points;
    EXPECT_TRUE(store_->ReadHistory(kRun, "m", nullptr, 1000, &points).ok());
    return points.size();
  }

  testing::TempDir dir_;
  const std::shared_ptr<FailingFileSystem> disk_ =
      std::make_shared<FailingFileSystem>(rocksdb::FileSystem::Default());
  const std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(disk_);
  std::unique_ptr<RocksDbMetricStore> store_;
};

TEST_F(FailingDiskTest, AFullDiskRefusesInClearWordsAndIsReadOn) {
  ASSERT_TRUE(Append(1).ok());
  disk_->Break({.status = IOStatus::NoSpace("full"), .half = true});
  EXPECT_TRUE(IsDiskFull(Append(2)));
  EXPECT_TRUE(IsDiskFull(Append(3)));
  EXPECT_TRUE(IsDiskFull(store_->Sync()));
  EXPECT_GE(Points(), 1u);
  EXPECT_LE(Points(), 2u) << "what comes later is not begun";
  EXPECT_TRUE(IsDiskFull(store_->ReadLastFrame(kRun, "w").status()))
      << "a frame that may be gone after a crash is not said to be kept";
  EXPECT_TRUE(IsDiskFull(store_->Checkpoint(dir_.path() + "/copy")));
  disk_->Heal();
  ASSERT_TRUE(AppendAtLast(4).ok());
  EXPECT_TRUE(store_->Sync().ok());
  EXPECT_EQ(*store_->ReadLastFrame(kRun, "w"), 4u);
  ASSERT_TRUE(store_->Checkpoint(dir_.path() + "/copy").ok());

  const size_t points = Points();
  store_ = *OpenRocksDbMetricStore(dir_.path() + "/copy");
  EXPECT_EQ(Points(), points);
}

TEST_F(FailingDiskTest, AFailedSyncIsNotBelievedAndMended) {
  ASSERT_TRUE(Append(1).ok());
  disk_->Break({.status = IOStatus::IOError("bad"),
                .times = 1,
                .of = FailingFileSystem::Of::kSyncs});
  EXPECT_TRUE(absl::IsUnavailable(Append(2)));
  ASSERT_TRUE(AppendAtLast(3).ok()) << "the disk works again";
  EXPECT_EQ(disk_->failed(), 1);
  EXPECT_EQ(*store_->ReadLastFrame(kRun, "w"), 3u);
}

TEST_F(FailingDiskTest, ACopyOnAFullDiskFailsAndNothingElse) {
  ASSERT_TRUE(Append(1).ok());
  disk_->Break({.status = IOStatus::NoSpace("full"), .times = 1});
  EXPECT_FALSE(store_->Checkpoint(dir_.path() + "/copy").ok());
  disk_->Heal();
  EXPECT_TRUE(AppendAtLast(2).ok());
  EXPECT_EQ(Points(), 2u);
}

}  // namespace
}  // namespace millstream::storage
