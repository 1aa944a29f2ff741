// The stores on MLflow's schema, on whatever database a backend's test opens:
// harnesses for the suites of this folder.
//
//   class MyDatabase final : public MlflowDatabase { ... };
//   std::unique_ptr<MlflowDatabase> NewMyDatabase() { ... }
//
//   INSTANTIATE_TEST_SUITE_P(Mine, MetricStoreConformance, testing::Values(
//       +[] { return MlflowMetricStore(NewMyDatabase()); }));
#ifndef MILLSTREAM_STORAGE_CONFORMANCE_MLFLOW_STORES_H_
#define MILLSTREAM_STORAGE_CONFORMANCE_MLFLOW_STORES_H_

#include <memory>

#include "storage/conformance/metric_store_conformance.h"
#include "storage/conformance/registry_store_conformance.h"
#include "storage/conformance/run_log_conformance.h"
#include "storage/conformance/tracking_store_conformance.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/database.h"

namespace millstream::storage {

// Owns the place of one test's database, which begins empty. Not thread-safe.
class MlflowDatabase {
 public:
  virtual ~MlflowDatabase() = default;
  // Opens it, with what was kept. REQUIRES: the one opened before is gone.
  virtual std::unique_ptr<sql::Database> Open() = 0;
  virtual const search::SqlDialect& dialect() const = 0;
  // As TableRunLog::Options.
  virtual int lanes() const { return 0; }
};

// Each makes the schema when it opens the database first.
std::unique_ptr<MetricStoreHarness> MlflowMetricStore(
    std::unique_ptr<MlflowDatabase> database);
std::unique_ptr<TrackingStoreHarness> MlflowTrackingStore(
    std::unique_ptr<MlflowDatabase> database);
std::unique_ptr<RegistryStoreHarness> MlflowRegistryStore(
    std::unique_ptr<MlflowDatabase> database);
std::unique_ptr<RunLogHarness> MlflowRunLog(
    std::unique_ptr<MlflowDatabase> database);

}  // namespace millstream::storage

#endif  // MILLSTREAM_STORAGE_CONFORMANCE_MLFLOW_STORES_H_
