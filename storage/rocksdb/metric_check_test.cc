#include "storage/rocksdb/metric_check.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/metric_key.h"
#include "storage/rocksdb/packing_options.h"
#include "storage/rocksdb/rocksdb_metric_store.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";

// Few points have rollups.
RocksDbOptions Packing() {
  RocksDbOptions options;
  options.pack_in_background = false;
  options.packing.block_points = 32;
  options.packing.small_block_points = 16;
  options.packing.rollup_points = 64;
  options.packing.bucket_points = 4;
  options.packing.top_buckets = 8;
  return options;
}

class Findings final : public MetricStoreCheck::Listener {
 public:
  void OnFault(std::string fault) override {
    faults.push_back(std::move(fault));
  }
  void OnMark(std::string_view run_id) override { marks.emplace(run_id); }
  void OnSeries(std::string_view, std::string_view key,
                const MetricPoint& latest, uint64_t points) override {
    series[std::string(key)] = {latest.step, points};
  }
  void OnBytes(uint64_t count) override { bytes += count; }

  std::vector<std::string> faults;
  std::set<std::string> marks;
  std::map<std::string, std::pair<int64_t, uint64_t>> series;
  uint64_t bytes = 0;
};

class MetricCheckTest : public ::testing::Test {
 protected:
  MetricCheckTest() : folder_(dir_.path() + "/metrics") {}

  std::unique_ptr<RocksDbMetricStore> OpenStore(const std::string& folder) {
    auto store = OpenRocksDbMetricStore(folder, Packing());
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  static void Append(MetricStore* store, std::string_view key, int64_t first,
                     int64_t count, uint64_t mark = 0) {
    std::vector<MetricPoint> points;
    for (int64_t step = first; step < first + count; ++step) {
      points.push_back({1000 + step, step, static_cast<double>(step % 7)});
    }
    const SeriesAppend series{key, points};
    ASSERT_TRUE(store->Append(kRun, {&series, 1},
                              {.durability = Durability::kProcess,
                               .mark = mark})
                    .ok());
  }

  // 300 packed points with rollups in "loss", 20 loose ones, one in "lr".
  void Fill() {
    auto store = OpenStore(folder_);
    Append(store.get(), "loss", 0, 200, /*mark=*/5);
    ASSERT_TRUE(store->PackAll().ok());
    Append(store.get(), "loss", 200, 100);
    ASSERT_TRUE(store->PackAll().ok());
    Append(store.get(), "loss", 300, 20);
    Append(store.get(), "lr", 0, 1);
  }

  static Findings Look(const std::string& folder) {
    Findings found;
    auto check = MetricStoreCheck::Open(folder);
    if (!check.ok()) {
      found.faults.push_back(check.status().ToString());
      return found;
    }
    absl::Status status = (*check)->CheckLog();
    status.Update((*check)->CheckTables(Liveness::Always(), &found));
    status.Update((*check)->CheckRecords(Liveness::Always(), &found));
    if (!status.ok()) found.faults.push_back(status.ToString());
    return found;
  }

  std::unique_ptr<rocksdb::DB> OpenRaw() {
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status =
        rocksdb::DB::Open(rocksdb::Options(), folder_, &db);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return std::unique_ptr<rocksdb::DB>(db);
  }

  // The first key of a class of records of "loss".
  static std::string KeyOf(rocksdb::DB* db, int record_class) {
    std::string prefix;
    AppendSeriesPrefix(kRun, "loss", &prefix);
    prefix += static_cast<char>(record_class);
    std::unique_ptr<rocksdb::Iterator> it(
        db->NewIterator(rocksdb::ReadOptions()));
    it->Seek(prefix);
    EXPECT_TRUE(it->Valid() && it->key().starts_with(prefix));
    return it->key().ToString();
  }

  const testing::TempDir dir_;
  const std::string folder_;
};

TEST_F(MetricCheckTest, HasNothingToSayAboutASoundStoreAndChangesNothing) {
  Fill();
  std::set<std::string> before, after;
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    before.insert(file.path());
  }
  const Findings found = Look(folder_);
  EXPECT_THAT(found.faults, IsEmpty());
  EXPECT_THAT(found.marks, ElementsAre(kRun));
  EXPECT_EQ(found.series.at("loss"), std::make_pair(int64_t{319},
                                                    uint64_t{320}));
  EXPECT_EQ(found.series.at("lr"), std::make_pair(int64_t{0}, uint64_t{1}));
  EXPECT_GT(found.bytes, 0);
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    after.insert(file.path());
  }
  EXPECT_EQ(before, after);
}

TEST_F(MetricCheckTest, FindsAFlippedByteInATable) {
  Fill();
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    if (file.path().extension() != ".sst") continue;
    std::fstream table(file.path(), std::ios::in | std::ios::out);
    table.seekg(40);
    const char byte = static_cast<char>(table.get());
    table.seekp(40);
    table.put(static_cast<char>(byte ^ 1));
  }
  EXPECT_THAT(Look(folder_).faults, Contains(HasSubstr("is damaged")));
}

TEST_F(MetricCheckTest, FindsATableThatIsGone) {
  Fill();
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    if (file.path().extension() == ".sst") {
      std::filesystem::remove(file.path());
    }
  }
  EXPECT_THAT(Look(folder_).faults, Not(IsEmpty()));
}

TEST_F(MetricCheckTest, FindsAPackedBlockThatIsGone) {
  Fill();
  auto db = OpenRaw();
  ASSERT_TRUE(db->Delete({}, KeyOf(db.get(), kPackedClass)).ok());
  db.reset();
  EXPECT_THAT(Look(folder_).faults,
              ElementsAre(HasSubstr("summary"), HasSubstr("rollup")));
}

TEST_F(MetricCheckTest, FindsARollupThatDiffers) {
  Fill();
  auto db = OpenRaw();
  int level = kRollupClass;
  for (; level < 0xFF; ++level) {
    std::string prefix;
    AppendSeriesPrefix(kRun, "loss", &prefix);
    prefix += static_cast<char>(level);
    std::unique_ptr<rocksdb::Iterator> it(
        db->NewIterator(rocksdb::ReadOptions()));
    it->Seek(prefix);
    if (it->Valid() && it->key().starts_with(prefix)) break;
  }
  ASSERT_TRUE(db->Delete({}, KeyOf(db.get(), level)).ok());
  db.reset();
  EXPECT_THAT(Look(folder_).faults, ElementsAre(HasSubstr("rollup")));
}

TEST_F(MetricCheckTest, FindsARecordThatCannotBeRead) {
  Fill();
  auto db = OpenRaw();
  ASSERT_TRUE(db->Put({}, KeyOf(db.get(), kPackedClass), "nonsense").ok());
  db.reset();
  EXPECT_THAT(Look(folder_).faults, Contains(HasSubstr("cannot be read")));
}

TEST_F(MetricCheckTest, RefusesAStoreOfALaterFormat) {
  Fill();
  auto db = OpenRaw();
  ASSERT_TRUE(db->Put({}, rocksdb::Slice("\x00\x01", 2), "77").ok());
  db.reset();
  EXPECT_TRUE(
      absl::IsFailedPrecondition(MetricStoreCheck::Open(folder_).status()));
}

TEST_F(MetricCheckTest, ACheckpointHasAllAppendsBeforeItAndEachWhole) {
  auto store = OpenStore(folder_);
  Append(store.get(), "before", 0, 100);
  std::atomic<bool> stop{false};
  std::atomic<int64_t> appends{0};
  std::thread writer([&] {
    while (!stop) {
      Append(store.get(), "loss", 10 * appends, 10);
      ++appends;
    }
  });
  while (appends < 20) std::this_thread::yield();
  ASSERT_TRUE(store->Flush().ok());
  const int64_t least = appends;
  const std::string copy = dir_.path() + "/copy";
  const absl::Status made = store->Checkpoint(copy);
  stop = true;
  writer.join();
  ASSERT_TRUE(made.ok()) << made;
  const Findings found = Look(copy);
  EXPECT_THAT(found.faults, IsEmpty());
  EXPECT_EQ(found.series.at("before").second, 100);
  const int64_t points = static_cast<int64_t>(found.series.at("loss").second);
  EXPECT_GE(points, 10 * least);
  EXPECT_EQ(points % 10, 0);
  // The copy is a store of its own.
  Append(OpenStore(copy).get(), "after", 0, 1);
}

}  // namespace
}  // namespace millstream::storage
