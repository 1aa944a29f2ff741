// The stores on MLflow's schema in PostgreSQL.
#include "storage/conformance/mlflow_stores.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage/conformance/mlflow_server.h"
#include "storage/postgres/postgres_testing.h"

namespace millstream::storage {
namespace {

using postgres::SharedPostgres;

// One for nearly all tests.
const std::string& Uri() {
  static const std::string uri =
      SharedPostgres::Shared().MakeDatabase("stores");
  return uri;
}

std::unique_ptr<MlflowDatabase> NewPlace(int lanes = 0) {
  return MlflowDatabaseAt(SharedPostgres::Shared(), Uri(),
                          search::PostgresDialect(), lanes);
}

INSTANTIATE_TEST_SUITE_P(Postgres, MetricStoreConformance,
                         ::testing::Values(+[] {
                           return MlflowMetricStore(NewPlace());
                         }));
INSTANTIATE_TEST_SUITE_P(Postgres, TrackingStoreConformance,
                         ::testing::Values(+[] {
                           return MlflowTrackingStore(NewPlace());
                         }));
INSTANTIATE_TEST_SUITE_P(Postgres, RegistryStoreConformance,
                         ::testing::Values(+[] {
                           return MlflowRegistryStore(NewPlace());
                         }));
INSTANTIATE_TEST_SUITE_P(Postgres, LoggedModelConformance,
                         ::testing::Values(+[] {
                           return MlflowRegistryStore(NewPlace());
                         }));
INSTANTIATE_TEST_SUITE_P(Postgres, RunLogConformance,
                         ::testing::Values(
                             +[] { return MlflowRunLog(NewPlace()); },
                             +[] {
                               return MlflowRunLog(NewPlace(/*lanes=*/2));
                             }));
INSTANTIATE_TEST_SUITE_P(Postgres, MlflowSchemaConformance,
                         ::testing::Values(SchemaCase{&SharedPostgres::Shared,
                                                      "postgresql"}));

}  // namespace
}  // namespace millstream::storage
