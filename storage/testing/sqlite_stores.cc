#include "storage/testing/sqlite_stores.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/registry/sql_registry_store.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sqlite/sqlite_database.h"

namespace millstream::storage::testing {

SqliteStores::SqliteStores(std::string artifact_root) {
  absl::StatusOr<std::unique_ptr<sqlite::SqliteDatabase>> database =
      sqlite::SqliteDatabase::Open(folder_.path() + "/test.db",
                                   {.durability = Durability::kProcess});
  if (!database.ok()) {
    ADD_FAILURE() << database.status();
    std::abort();
  }
  database_ = *std::move(database);
  const search::SqlDialect* dialect = &search::SqliteDialect();
  auto tracking = std::make_unique<SqlTrackingStore>(
      database_.get(), dialect,
      SqlTrackingStore::Options{.default_artifact_root =
                                    std::move(artifact_root)});
  const absl::Status status = tracking->CreateDefaultExperiment(1);
  EXPECT_TRUE(status.ok()) << status;
  tracking_ = std::move(tracking);
  registry_ = std::make_unique<SqlRegistryStore>(database_.get(), dialect);
}

SqliteStores::~SqliteStores() = default;

}  // namespace millstream::storage::testing
