#include "storage/rocksdb/rocksdb_metric_store.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "storage/conformance/metric_store_conformance.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/power_cut_file_system.h"

namespace millstream::storage {
namespace {

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";

// Few points go the way of many.
PackingOptions SmallPacking() {
  PackingOptions options;
  options.loose_points = 8;
  options.loose_records = 4;
  options.quiet = absl::ZeroDuration();
  options.block_points = 32;
  options.small_block_points = 16;
  options.batch_points = 64;
  options.rewrite_points = 128;
  options.rollup_points = 64;
  options.bucket_points = 4;
  options.top_buckets = 8;
  return options;
}

class RocksDbHarness : public MetricStoreHarness {
 public:
  explicit RocksDbHarness(const RocksDbOptions& options = {})
      : options_(options) {
    static int count = 0;
    folder_ = testing::TempDir() + "metrics" + std::to_string(++count);
    std::filesystem::remove_all(folder_);
  }
  ~RocksDbHarness() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<MetricStore> Open() override { return OpenRocksDb(); }
  std::unique_ptr<RocksDbMetricStore> OpenRocksDb() {
    auto store = OpenRocksDbMetricStore(folder_, options_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  const std::string& folder() const { return folder_; }

 private:
  const RocksDbOptions options_;
  std::string folder_;
};

// A store that is packed after every third append.
class PackedStore final : public MetricStore {
 public:
  explicit PackedStore(std::unique_ptr<RocksDbMetricStore> store)
      : store_(std::move(store)) {}

  absl::Status Append(std::string_view run_id,
                      absl::Span<const SeriesAppend> series,
                      const AppendOptions& options) override {
    absl::Status status = store_->Append(run_id, series, options);
    if (++appends_ % 3 == 0) status.Update(store_->PackAll());
    return status;
  }
  absl::Status ReadHistoryFor(const Liveness& caller, std::string_view run_id,
                              std::string_view key, const MetricPoint* after,
                              size_t limit,
                              std::vector<MetricPoint>* points) override {
    return store_->ReadHistoryFor(caller, run_id, key, after, limit, points);
  }
  absl::Status SampleFor(const Liveness& caller, std::string_view run_id,
                         std::string_view key, const StepRange& range,
                         size_t max_points,
                         std::vector<MetricPoint>* points) override {
    return store_->SampleFor(caller, run_id, key, range, max_points, points);
  }
  absl::Status ReadLatest(
      std::string_view run_id,
      absl::FunctionRef<void(std::string_view, const MetricPoint&)> visit)
      override {
    return store_->ReadLatest(run_id, visit);
  }
  absl::Status Sync() override { return store_->Sync(); }
  absl::StatusOr<uint64_t> ReadLastFrame(std::string_view run_id,
                                         std::string_view writer_id) override {
    return store_->ReadLastFrame(run_id, writer_id);
  }
  absl::StatusOr<std::vector<RunMark>> ListMarks() override {
    return store_->ListMarks();
  }
  absl::Status RemoveMarks(absl::Span<const RunMark> marks) override {
    return store_->RemoveMarks(marks);
  }

 private:
  const std::unique_ptr<RocksDbMetricStore> store_;
  std::atomic<int> appends_ = 0;
};

class PackedHarness : public RocksDbHarness {
 public:
  PackedHarness()
      : RocksDbHarness({.env = nullptr,
                        .packing = SmallPacking(),
                        .pack_in_background = false}) {}
  std::unique_ptr<MetricStore> Open() override {
    return std::make_unique<PackedStore>(OpenRocksDb());
  }
};

INSTANTIATE_TEST_SUITE_P(RocksDb, MetricStoreConformance,
                         testing::Values(
                             +[]() -> std::unique_ptr<MetricStoreHarness> {
                               return std::make_unique<RocksDbHarness>();
                             }));

// In the background, as often as can be.
INSTANTIATE_TEST_SUITE_P(RocksDbPacking, MetricStoreConformance,
                         testing::Values(
                             +[]() -> std::unique_ptr<MetricStoreHarness> {
                               RocksDbOptions options;
                               options.packing = SmallPacking();
                               return std::make_unique<RocksDbHarness>(options);
                             }));

INSTANTIATE_TEST_SUITE_P(RocksDbPacked, MetricStoreConformance,
                         testing::Values(
                             +[]() -> std::unique_ptr<MetricStoreHarness> {
                               return std::make_unique<PackedHarness>();
                             }));

TEST(RocksDbMetricStoreTest, AFolderIsOpenOnce) {
  RocksDbHarness harness;
  auto store = harness.Open();
  EXPECT_EQ(OpenRocksDbMetricStore(harness.folder()).status().code(),
            absl::StatusCode::kUnavailable);
}

// Appends of both durabilities in turn, until the power goes after one of them.
TEST(RocksDbMetricStoreTest, APowerCutTakesNothingThatWasSynced) {
  for (int appends : {1, 2, 7, 40, 41, 150}) {
    RocksDbHarness harness;
    auto disk = std::make_shared<PowerCutFileSystem>();
    const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
    RocksDbOptions on_disk;
    on_disk.env = env.get();
    auto store = *OpenRocksDbMetricStore(harness.folder(), on_disk);
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

    store = harness.OpenRocksDb();
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

// Keys of a store that is not open, by what follows the series' prefix.
std::map<std::string, std::string> Records(const std::string& folder,
                                           const std::string& prefix) {
  rocksdb::DB* db = nullptr;
  EXPECT_TRUE(
      rocksdb::DB::OpenForReadOnly(rocksdb::Options(), folder, &db).ok());
  std::map<std::string, std::string> records;
  std::unique_ptr<rocksdb::Iterator> it(
      db->NewIterator(rocksdb::ReadOptions()));
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix);
       it->Next()) {
    records.emplace(it->key().ToString().substr(prefix.size()),
                    it->value().ToString());
  }
  it.reset();
  delete db;
  return records;
}

// How many records of a class a series has.
size_t CountClass(const std::string& folder, const std::string& key,
                  uint8_t record_class) {
  std::string prefix;
  AppendSeriesPrefix(kRun, key, &prefix);
  prefix.push_back(static_cast<char>(record_class));
  return Records(folder, prefix).size();
}

std::vector<MetricPoint> History(MetricStore& store, const char* run_id,
                                 const char* key) {
  std::vector<MetricPoint> points;
  EXPECT_TRUE(
      store.ReadHistory(run_id, key, nullptr, 1'000'000, &points).ok());
  return points;
}

void Append(MetricStore& store, const std::string& key,
            const std::vector<MetricPoint>& points,
            Durability durability = Durability::kProcess) {
  const SeriesAppend series{key, points};
  AppendOptions options;
  options.durability = durability;
  ASSERT_TRUE(store.Append(kRun, {&series, 1}, options).ok());
}

// A store that was written before packing came, with a log that was not yet
// read, is opened and packed.
TEST(RocksDbMetricStoreTest, FormatOneIsReadAndPacked) {
  RocksDbOptions options;
  options.pack_in_background = false;
  RocksDbHarness harness(options);
  std::filesystem::copy("storage/rocksdb/testdata/format1", harness.folder());
  for (const auto& file :
       std::filesystem::directory_iterator(harness.folder())) {
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  auto expect = [](MetricStore& store) {
    const std::vector<MetricPoint> loss = History(store, kRun, "loss");
    ASSERT_EQ(loss.size(), 6000u);
    for (int64_t i = 0; i < 6000; ++i) {
      const MetricPoint point{1700000000000 + 250 * i + (i * 7919) % 13, i,
                              1.0f / (1 + 0.001f * static_cast<float>(i))};
      ASSERT_TRUE(SamePoint(loss[i], point)) << i;
    }
    EXPECT_EQ(History(store, kRun, "single").size(), 80u);
    EXPECT_EQ(History(store, "my-run", "m").size(), 2u);
    const char* other = "fedcba9876543210fedcba9876543210";
    EXPECT_EQ(History(store, other, "special").size(), 6u);
    EXPECT_EQ(History(store, other, "overlap").size(), 5u);
    EXPECT_EQ(store.ListMarks()->size(), 1u);
  };
  expect(*harness.OpenRocksDb());
  EXPECT_EQ(CountClass(harness.folder(), "single", kSinglePointClass), 80u);
  EXPECT_EQ(Records(harness.folder(), std::string("\0\1", 2))[""], "2");

  auto store = harness.OpenRocksDb();
  ASSERT_TRUE(store->PackDue().ok());
  expect(*store);
  store.reset();
  EXPECT_EQ(Records(harness.folder(), std::string("\0\5", 2)).size(), 0u);
  EXPECT_EQ(CountClass(harness.folder(), "single", kSinglePointClass), 0u);
  EXPECT_EQ(CountClass(harness.folder(), "loss", kPackedClass), 3u);
  expect(*harness.OpenRocksDb());
}

TEST(RocksDbMetricStoreTest, ASeriesOfOnePointStaysAsItIs) {
  RocksDbOptions options;
  options.pack_in_background = false;
  RocksDbHarness harness(options);
  auto store = harness.OpenRocksDb();
  Append(*store, "one", {{1, 1, 1}});
  Append(*store, "two", {{1, 1, 1}});
  Append(*store, "two", {{2, 2, 2}});
  ASSERT_TRUE(store->PackAll().ok());
  store.reset();
  EXPECT_EQ(CountClass(harness.folder(), "one", kSinglePointClass), 1u);
  EXPECT_EQ(CountClass(harness.folder(), "one", kPackedClass), 0u);
  EXPECT_EQ(CountClass(harness.folder(), "two", kSinglePointClass), 0u);
  EXPECT_EQ(CountClass(harness.folder(), "two", kPackedClass), 1u);
}

// By one point at a time, forwards and backwards: few blocks, none of them
// large.
TEST(RocksDbMetricStoreTest, SmallBlocksBecomeLargerOnes) {
  RocksDbOptions options;
  options.packing = SmallPacking();
  options.pack_in_background = false;
  RocksDbHarness harness(options);
  auto store = harness.OpenRocksDb();
  for (int i = 0; i < 600; ++i) {
    Append(*store, "up", {{2 * i, i, 1}, {2 * i + 1, i, 2}});
    Append(*store, "down", {{-2 * i, i, 1}, {-2 * i - 1, i, 2}});
    if (i % 3 == 0) {
      ASSERT_TRUE(store->PackAll().ok());
    }
  }
  EXPECT_EQ(History(*store, kRun, "up").size(), 1200u);
  EXPECT_EQ(History(*store, kRun, "down").size(), 1200u);
  store.reset();
  for (const char* key : {"up", "down"}) {
    EXPECT_GE(CountClass(harness.folder(), key, kPackedClass), 1200u / 32);
    EXPECT_LE(CountClass(harness.folder(), key, kPackedClass), 1200u / 16 + 6);
  }
}

std::vector<MetricPoint> SampleOf(MetricStore& store, const char* key,
                                  size_t max_points) {
  std::vector<MetricPoint> points;
  EXPECT_TRUE(store.Sample(kRun, key, {}, max_points, &points).ok());
  return points;
}

void ExpectSame(const std::vector<MetricPoint>& points,
                const std::vector<MetricPoint>& expected) {
  ASSERT_EQ(points.size(), expected.size());
  for (size_t i = 0; i < points.size(); ++i) {
    EXPECT_TRUE(SamePoint(points[i], expected[i])) << i;
  }
}

// The power goes at some moment of packing in the background: all synced points
// are there, are packed after the next start, and charts show what they show in
// a store that had power.
TEST(RocksDbMetricStoreTest, APowerCutWhilePackingLosesAndDoublesNothing) {
  for (int appends : {3, 17, 60, 150}) {
    auto disk = std::make_shared<PowerCutFileSystem>();
    const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
    RocksDbOptions options;
    options.packing = SmallPacking();
    // Most charts are of rollups.
    options.packing.exact_points = 32;
    options.packing.exact_points_each = 4;
    RocksDbHarness harness(options), powered(options);
    RocksDbOptions on_disk = options;
    on_disk.env = env.get();
    auto store = *OpenRocksDbMetricStore(harness.folder(), on_disk);
    auto expected = powered.OpenRocksDb();
    for (int i = 0; i < appends; ++i) {
      for (MetricStore* each : {store.get(), expected.get()}) {
        Append(*each, "m", {{2 * i, i, 0.5 + i % 7}, {2 * i + 1, i, 1.5}});
        Append(*each, "late", {{-i, i, 0.5}, {1000 - i, i, 1.5 + i % 5}},
               Durability::kMachine);
      }
    }
    disk->CutPower();
    store.reset();
    disk->LoseUnsynced();
    ASSERT_TRUE(expected->PackAll().ok());

    store = harness.OpenRocksDb();
    for (int pass = 0; pass < 2; ++pass) {
      for (const char* key : {"m", "late"}) {
        SCOPED_TRACE(std::string(key) + " of " + std::to_string(appends));
        const std::vector<MetricPoint> points = History(*store, kRun, key);
        EXPECT_EQ(points.size(), 2u * appends);
        ExpectSame(points, History(*expected, kRun, key));
        // What is not packed yet has no rollups.
        std::vector<size_t> charts = {1000};
        if (pass == 1) charts = {8, 20, 50, 1000};
        for (size_t max_points : charts) {
          ExpectSame(SampleOf(*store, key, max_points),
                     SampleOf(*expected, key, max_points));
        }
      }
      ASSERT_TRUE(store->PackAll().ok());
    }
  }
}

TEST(RocksDbMetricStoreTest, AnEndThatFailsIsTold) {
  RocksDbHarness harness;
  auto disk = std::make_shared<PowerCutFileSystem>();
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
  RocksDbOptions options;
  options.env = env.get();
  auto store = *OpenRocksDbMetricStore(harness.folder(), options);
  Append(*store, "m", {{1, 1, 1}}, Durability::kMachine);
  disk->CutPower();
  testing::internal::CaptureStderr();
  store.reset();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("not closed cleanly"),
            std::string::npos);
  disk->LoseUnsynced();
  EXPECT_EQ(History(*harness.OpenRocksDb(), kRun, "m").size(), 1u);
}

// Marks say after a restart which runs have loose records; packing removes
// them.
TEST(RocksDbMetricStoreTest, LooseRunsAreFoundAfterARestart) {
  RocksDbOptions options;
  options.pack_in_background = false;
  RocksDbHarness harness(options);
  auto store = harness.OpenRocksDb();
  Append(*store, "m", {{1, 1, 1}});
  Append(*store, "m", {{2, 2, 2}});
  store.reset();
  const std::string marks("\0\3", 2);
  EXPECT_EQ(Records(harness.folder(), marks).size(), 1u);
  store = harness.OpenRocksDb();
  EXPECT_EQ(History(*store, kRun, "m").size(), 2u);
  ASSERT_TRUE(store->PackDue().ok());
  store.reset();
  EXPECT_EQ(Records(harness.folder(), marks).size(), 0u);
  EXPECT_EQ(CountClass(harness.folder(), "m", kSinglePointClass), 0u);
  EXPECT_EQ(CountClass(harness.folder(), "m", kPackedClass), 1u);
}

// A writer whose times are in no order: what packing writes stays in proportion
// to what was appended.
TEST(RocksDbMetricStoreTest, PointsInAnyOrderAreRewrittenAFewTimes) {
  RocksDbOptions options;
  options.packing = SmallPacking();
  options.packing.quiet = absl::InfiniteDuration();
  RocksDbHarness harness(options);
  auto store = harness.OpenRocksDb();
  std::mt19937_64 random(1);
  std::set<int64_t> times;
  for (int i = 0; i < 4000; ++i) {
    const auto time = static_cast<int64_t>(random() % 1'000'000'000);
    times.insert(time);
    Append(*store, "m", {{time, i, 1}});
  }
  EXPECT_EQ(History(*store, kRun, "m").size(), times.size());
  ASSERT_TRUE(store->PackAll().ok());
  EXPECT_EQ(History(*store, kRun, "m").size(), times.size());
}

TEST(RocksDbMetricStoreTest, NewerFormatsAreRefusedByName) {
  RocksDbHarness harness;
  harness.Open();
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(
      rocksdb::DB::Open(rocksdb::Options(), harness.folder(), &db).ok());
  const rocksdb::Slice format("\x00\x01", 2);
  ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), format, "3").ok());
  delete db;
  absl::Status refused = OpenRocksDbMetricStore(harness.folder()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.message().find("format 3"), std::string::npos);

  ASSERT_TRUE(
      rocksdb::DB::Open(rocksdb::Options(), harness.folder(), &db).ok());
  ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), format, "2").ok());
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
