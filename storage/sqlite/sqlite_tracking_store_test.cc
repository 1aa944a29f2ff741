// The tracking store on SQLite.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "gtest/gtest.h"
#include "storage/conformance/tracking_store_conformance.h"
#include "storage/search/search.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sqlite/sqlite_database.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage {
namespace {

class SqliteHarness : public TrackingStoreHarness {
 public:
  TrackingStore* Open() override {
    store_.reset();
    database_.reset();
    auto database = sqlite::SqliteDatabase::Open(folder_.path() + "/db", {});
    EXPECT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    store_ = std::make_unique<SqlTrackingStore>(
        database_.get(), &search::SqliteDialect(),
        SqlTrackingStore::Options{.default_artifact_root = "root:/"});
    EXPECT_TRUE(store_->CreateDefaultExperiment(/*now_ms=*/1).ok());
    return store_.get();
  }

 private:
  testing::TempDir folder_;
  std::unique_ptr<sqlite::SqliteDatabase> database_;
  std::unique_ptr<SqlTrackingStore> store_;
};

std::unique_ptr<TrackingStoreHarness> NewSqliteHarness() {
  return std::make_unique<SqliteHarness>();
}

INSTANTIATE_TEST_SUITE_P(Sqlite, TrackingStoreConformance,
                         ::testing::Values(&NewSqliteHarness));

// Pages of runs whose parts are too large for an answer.
class LargeRunsTest : public ::testing::Test {
 protected:
  static constexpr size_t kBytesMax = 10'000;

  LargeRunsTest() {
    EXPECT_EQ(SqlTrackingStore::Options().run_parts_bytes_max,
              limits::kRunPartsBytesMax);
    auto database = sqlite::SqliteDatabase::Open(folder_.path() + "/db", {});
    EXPECT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    store_ = std::make_unique<SqlTrackingStore>(
        database_.get(), &search::SqliteDialect(),
        SqlTrackingStore::Options{.run_parts_bytes_max = kBytesMax});
    EXPECT_TRUE(store_->CreateDefaultExperiment(/*now_ms=*/1).ok());
  }

  void Make(const std::string& run_id, size_t bytes) {
    v1::RunInfo info;
    info.set_run_id(run_id);
    info.set_experiment_id("0");
    info.set_status(v1::RUNNING);
    google::protobuf::RepeatedPtrField<v1::RunTag> tags;
    tags.Add()->set_key("k");
    tags[0].set_value(std::string(bytes, 'v'));
    v1::Run run;
    EXPECT_TRUE(store_->CreateRun(info, tags, &run).ok());
  }
  absl::StatusOr<std::vector<int>> PageSizes(int max_results) {
    search::RunSearch search;
    search.experiment_ids = {"0"};
    search.max_results = max_results;
    std::vector<int> sizes;
    std::string token;
    do {
      search.page_token = token;
      v1::SearchRunsResponse response;
      if (absl::Status status = store_->SearchRuns(search, &response);
          !status.ok()) {
        return status;
      }
      sizes.push_back(response.runs_size());
      token = response.next_page_token();
    } while (!token.empty());
    return sizes;
  }

  testing::TempDir folder_;
  std::unique_ptr<sqlite::SqliteDatabase> database_;
  std::unique_ptr<SqlTrackingStore> store_;
};

TEST_F(LargeRunsTest, PagesAreMadeShorter) {
  for (int i = 0; i < 20; ++i) Make(StrCat("r", i), kBytesMax / 4);
  auto sizes = PageSizes(/*max_results=*/12);
  ASSERT_TRUE(sizes.ok()) << sizes.status();
  int all = 0;
  for (const int size : *sizes) {
    EXPECT_LT(size, 4);
    EXPECT_GT(size, 0);
    all += size;
  }
  EXPECT_EQ(all, 20);
}

TEST_F(LargeRunsTest, PagesMayBeAskedToBeShorter) {
  for (int i = 0; i < 8; ++i) Make(StrCat("r", i), kBytesMax / 8);
  Make("large", kBytesMax - 1000);
  search::RunSearch search;
  search.experiment_ids = {"0"};
  search.max_results = 20;
  search.parts_bytes_max = kBytesMax / 4;
  std::string token;
  size_t runs = 0;
  do {
    search.page_token = token;
    v1::SearchRunsResponse response;
    ASSERT_TRUE(store_->SearchRuns(search, &response).ok());
    EXPECT_TRUE(response.runs_size() == 1 ||
                response.ByteSizeLong() < kBytesMax / 2);
    for (const v1::Run& run : response.runs()) {
      EXPECT_EQ(run.data().tags_size(), 1);
      ++runs;
    }
    token = response.next_page_token();
  } while (!token.empty());
  EXPECT_EQ(runs, 9u);
}

TEST_F(LargeRunsTest, RunsCanBeHadWithoutTheirParts) {
  for (int i = 0; i < 9; ++i) Make(StrCat("r", i), kBytesMax / 2);
  search::RunSearch search;
  search.experiment_ids = {"0"};
  search.max_results = 20;
  search.parts = false;
  v1::SearchRunsResponse response;
  ASSERT_TRUE(store_->SearchRuns(search, &response).ok());
  ASSERT_EQ(response.runs_size(), 9);
  EXPECT_FALSE(response.runs(0).has_data());
  EXPECT_EQ(response.runs(0).info().experiment_id(), "0");
}

TEST_F(LargeRunsTest, ARunThatIsTooLargeAloneIsToldOf) {
  Make("r", kBytesMax);
  EXPECT_EQ(GetErrorCode(PageSizes(5).status()), v1::INVALID_PARAMETER_VALUE);
  v1::Run run;
  EXPECT_EQ(GetErrorCode(store_->GetRun("r", &run)),
            v1::INVALID_PARAMETER_VALUE);
}

}  // namespace
}  // namespace millstream::storage
