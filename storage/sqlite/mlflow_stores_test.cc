// The stores on MLflow's schema in a SQLite file, as they are opened in place.
#include <memory>
#include <string>
#include <utility>

#include "storage/conformance/mlflow_stores.h"
#include "storage/sqlite/sqlite_database.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage {
namespace {

class SqliteFile : public MlflowDatabase {
 public:
  explicit SqliteFile(int lanes) : lanes_(lanes) {}

  std::unique_ptr<sql::Database> Open() override {
    auto database = sqlite::SqliteDatabase::Open(
        folder_.path() + "/mlflow.db",
        {.durability = Durability::kProcess, .schema = sql::Schema::kMlflow});
    EXPECT_TRUE(database.ok()) << database.status();
    return *std::move(database);
  }
  const search::SqlDialect& dialect() const override {
    return search::SqliteMlflowDialect();
  }
  int lanes() const override { return lanes_; }

 private:
  const testing::TempDir folder_;
  const int lanes_;
};

std::unique_ptr<MlflowDatabase> NewFile() {
  return std::make_unique<SqliteFile>(/*lanes=*/0);
}
// As for databases that do not group their writers.
std::unique_ptr<MlflowDatabase> NewFileWithLanes() {
  return std::make_unique<SqliteFile>(/*lanes=*/2);
}

INSTANTIATE_TEST_SUITE_P(
    SqliteMlflow, MetricStoreConformance,
    ::testing::Values(+[] { return MlflowMetricStore(NewFile()); }));
INSTANTIATE_TEST_SUITE_P(
    SqliteMlflow, TrackingStoreConformance,
    ::testing::Values(+[] { return MlflowTrackingStore(NewFile()); }));
INSTANTIATE_TEST_SUITE_P(
    SqliteMlflow, RegistryStoreConformance,
    ::testing::Values(+[] { return MlflowRegistryStore(NewFile()); }));
INSTANTIATE_TEST_SUITE_P(
    SqliteMlflow, LoggedModelConformance,
    ::testing::Values(+[] { return MlflowRegistryStore(NewFile()); }));
INSTANTIATE_TEST_SUITE_P(
    SqliteMlflow, RunLogConformance,
    ::testing::Values(+[] { return MlflowRunLog(NewFile()); },
                      +[] { return MlflowRunLog(NewFileWithLanes()); }));

}  // namespace
}  // namespace millstream::storage
