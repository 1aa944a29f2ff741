// The tracking store on SQLite.
#include <memory>
#include <utility>

#include "storage/conformance/tracking_store_conformance.h"
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

}  // namespace
}  // namespace millstream::storage
