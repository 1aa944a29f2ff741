#include "storage/rocksdb/rocksdb_metric_store.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "storage/conformance/metric_store_conformance.h"
#include "storage/rocksdb/power_cut_file_system.h"

namespace millstream::storage {
namespace {

class RocksDbHarness : public MetricStoreHarness {
 public:
  RocksDbHarness() {
    static int count = 0;
    folder_ = testing::TempDir() + "metrics" + std::to_string(++count);
    std::filesystem::remove_all(folder_);
  }
  ~RocksDbHarness() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<MetricStore> Open() override {
    auto store = OpenRocksDbMetricStore(folder_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

INSTANTIATE_TEST_SUITE_P(RocksDb, MetricStoreConformance,
                         testing::Values(
                             +[]() -> std::unique_ptr<MetricStoreHarness> {
                               return std::make_unique<RocksDbHarness>();
                             }));

TEST(RocksDbMetricStoreTest, AFolderIsOpenOnce) {
  RocksDbHarness harness;
  auto store = harness.Open();
  EXPECT_EQ(OpenRocksDbMetricStore(harness.folder()).status().code(),
            absl::StatusCode::kUnavailable);
}

// Appends of both durabilities in turn, until the power goes after one of them.
TEST(RocksDbMetricStoreTest, APowerCutTakesNothingThatWasSynced) {
  constexpr char kRun[] = "0123456789abcdef0123456789abcdef";
  for (int appends : {1, 2, 7, 40, 41, 150}) {
    RocksDbHarness harness;
    auto disk = std::make_shared<PowerCutFileSystem>();
    const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
    auto store = *OpenRocksDbMetricStore(harness.folder(), env.get());
    int synced = 0;
    for (int i = 0; i < appends; ++i) {
      const MetricPoint points[] = {{i, i, 0.5}, {i, i, 1.5}};
      const SeriesAppend series{"m", points};
      const bool durable = i % 3 == 0;
      ASSERT_TRUE(store
                      ->Append(kRun, {&series, 1},
                               {.durability = durable ? Durability::kMachine
                                                      : Durability::kProcess,
                                .mark = 7,
                                .frame = {"w", i + 1ull}})
                      .ok());
      if (durable) synced = i + 1;
    }
    if (appends == 41) {
      ASSERT_TRUE(store->Sync().ok());
      synced = appends;
    }
    disk->CutPower();
    const MetricPoint late{1000, 1000, 1};
    const SeriesAppend series{"m", {&late, 1}};
    EXPECT_FALSE(store->Append(kRun, {&series, 1}, {}).ok());
    store.reset();
    disk->LoseUnsynced();

    store = harness.Open();
    std::vector<MetricPoint> points;
    ASSERT_TRUE(store->ReadHistory(kRun, "m", nullptr, 1000, &points).ok());
    // The others are gone, or this test would prove nothing.
    EXPECT_EQ(points.size(), 2u * synced);
    ASSERT_EQ(points.size() % 2, 0u) << "half an append";
    for (size_t i = 0; i < points.size(); ++i) {
      EXPECT_EQ(points[i].step, static_cast<int64_t>(i / 2));
    }
    EXPECT_EQ(store->ListMarks()->size(), 1u);
    EXPECT_EQ(*store->ReadLastFrame(kRun, "w"), static_cast<uint64_t>(synced))
        << "a writer's number and its points are one unit";
  }
}

TEST(RocksDbMetricStoreTest, NewerFormatsAreRefusedByName) {
  RocksDbHarness harness;
  harness.Open();
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(
      rocksdb::DB::Open(rocksdb::Options(), harness.folder(), &db).ok());
  const rocksdb::Slice format("\x00\x01", 2);
  ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), format, "2").ok());
  delete db;
  absl::Status refused = OpenRocksDbMetricStore(harness.folder()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.message().find("format 2"), std::string::npos);

  ASSERT_TRUE(
      rocksdb::DB::Open(rocksdb::Options(), harness.folder(), &db).ok());
  ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), format, "1").ok());
  rocksdb::ColumnFamilyHandle* family = nullptr;
  ASSERT_TRUE(db->CreateColumnFamily({}, "rollups", &family).ok());
  db->DestroyColumnFamilyHandle(family);
  delete db;
  EXPECT_EQ(OpenRocksDbMetricStore(harness.folder()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(RocksDbMetricStoreTest, AFileInsteadOfAFolderIsAnError) {
  RocksDbHarness harness;
  std::ofstream(harness.folder()) << "x";
  EXPECT_FALSE(OpenRocksDbMetricStore(harness.folder()).ok());
}

}  // namespace
}  // namespace millstream::storage
