#include <memory>
#include <optional>
#include <string>

#include "base/status_macros.h"
#include "storage/conformance/registry_store_conformance.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/registry/sql_registry_store.h"
#include "storage/sql/sql_run_log.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sqlite/sqlite_database.h"
#include "storage/testing/counting_database.h"
#include "storage/testing/temp_dir.h"

namespace millstream::storage {
namespace {

class SqliteHarness final : public RegistryStoreHarness {
 public:
  SqliteHarness() { Open(); }

  void Reopen() override {
    stores_.reset();
    Open();
  }

  RegistryStore& registry() override { return stores_->registry; }
  TrackingStore& tracking() override { return stores_->tracking; }

  absl::Status AddModelMetric(const v1::Metric& metric) override {
    const v1::Metric* const metrics[] = {&metric};
    return stores_->log.Log(
        {.run_id = metric.run_id(), .model_metrics = metrics});
  }

  int64_t TakeStatements() override {
    return stores_->counting.TakeStatements();
  }

 private:
  struct Stores {
    explicit Stores(std::unique_ptr<sqlite::SqliteDatabase> opened)
        : database(std::move(opened)),
          counting(database.get()),
          registry(&counting, &search::SqliteDialect()),
          tracking(&counting, &search::SqliteDialect(),
                   {.default_artifact_root = "root:/"}),
          log(database.get(), /*store=*/nullptr, /*runs=*/nullptr,
              /*latest=*/nullptr, {.background = false}) {}

    const std::unique_ptr<sqlite::SqliteDatabase> database;
    testing::CountingDatabase counting;
    SqlRegistryStore registry;
    SqlTrackingStore tracking;
    // For metrics of models alone, which no metric store sees.
    SqlRunLog log;
  };

  void Open() {
    absl::StatusOr<std::unique_ptr<sqlite::SqliteDatabase>> database =
        sqlite::SqliteDatabase::Open(folder_.path() + "/test.db", {});
    ASSERT_TRUE(database.ok()) << database.status();
    stores_.emplace(*std::move(database));
    ASSERT_TRUE(stores_->tracking.CreateDefaultExperiment(1).ok());
  }

  const testing::TempDir folder_;
  std::optional<Stores> stores_;
};

std::unique_ptr<RegistryStoreHarness> NewSqliteHarness() {
  return std::make_unique<SqliteHarness>();
}

INSTANTIATE_TEST_SUITE_P(Sqlite, RegistryStoreConformance,
                         ::testing::Values(&NewSqliteHarness));
INSTANTIATE_TEST_SUITE_P(Sqlite, LoggedModelConformance,
                         ::testing::Values(&NewSqliteHarness));

}  // namespace
}  // namespace millstream::storage
