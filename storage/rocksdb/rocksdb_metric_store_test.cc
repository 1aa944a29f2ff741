#include "storage/rocksdb/rocksdb_metric_store.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "storage/conformance/metric_store_conformance.h"

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

TEST(RocksDbMetricStoreTest, AFileInsteadOfAFolderIsAnError) {
  RocksDbHarness harness;
  std::ofstream(harness.folder()) << "x";
  EXPECT_FALSE(OpenRocksDbMetricStore(harness.folder()).ok());
}

}  // namespace
}  // namespace millstream::storage
