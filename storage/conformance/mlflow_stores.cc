#include "storage/conformance/mlflow_stores.h"

#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/sql/registry/sql_registry_store.h"
#include "storage/sql/sql_metric_store.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sql/table_run_log.h"
#include "storage/testing/counting_database.h"

namespace millstream::storage {
namespace {

void Check(const absl::Status& status) {
  if (status.ok()) return;
  ADD_FAILURE() << status;
  std::abort();
}

// All stores on one database.
class Stores {
 public:
  explicit Stores(std::unique_ptr<MlflowDatabase> place)
      : place_(std::move(place)) {
    Open();
  }

  void Reopen() {
    opened_.reset();
    Open();
  }

  TrackingStore& tracking() { return opened_->tracking; }
  RegistryStore& registry() { return opened_->registry; }
  RunLog& log() { return opened_->log; }
  std::unique_ptr<MetricStore> NewMetricStore() {
    return std::make_unique<SqlMetricStore>(opened_->database.get());
  }
  int64_t TakeStatements() { return opened_->counting.TakeStatements(); }

  void AddRun(std::string_view run_id) {
    v1::RunInfo info;
    info.set_run_id(std::string(run_id));
    info.set_experiment_id("0");
    info.set_status(v1::RUNNING);
    info.set_start_time(1);
    v1::Run run;
    Check(opened_->tracking.CreateRun(info, {}, &run));
  }

 private:
  struct Opened {
    Opened(std::unique_ptr<sql::Database> taken, const MlflowDatabase& place)
        : database(std::move(taken)),
          counting(database.get()),
          registry(&counting, &place.dialect()),
          tracking(&counting, &place.dialect(),
                   {.default_artifact_root = "root:/"}),
          log(database.get(), {.lanes = place.lanes()}) {}

    const std::unique_ptr<sql::Database> database;
    testing::CountingDatabase counting;
    SqlRegistryStore registry;
    SqlTrackingStore tracking;
    TableRunLog log;
  };

  void Open() {
    opened_.emplace(place_->Open(), *place_);
    Check(mlflow::PrepareSchema(opened_->database.get(), "test"));
    Check(opened_->tracking.CreateDefaultExperiment(/*now_ms=*/1));
  }

  const std::unique_ptr<MlflowDatabase> place_;
  std::optional<Opened> opened_;
};

class MetricHarness final : public MetricStoreHarness {
 public:
  explicit MetricHarness(std::unique_ptr<MlflowDatabase> place)
      : stores_(std::move(place)) {}

  MetricStoreTraits traits() const override {
    return {.every_double = false,
            .zero_bytes = false,
            .marks = false,
            .run_id_bytes_max = 32};
  }
  void AddRun(std::string_view run_id) override {
    if (runs_.emplace(run_id).second) stores_.AddRun(run_id);
  }
  std::unique_ptr<MetricStore> Open() override {
    if (opened_) stores_.Reopen();
    opened_ = true;
    return stores_.NewMetricStore();
  }

 private:
  Stores stores_;
  bool opened_ = false;
  std::set<std::string> runs_;
};

class TrackingHarness final : public TrackingStoreHarness {
 public:
  explicit TrackingHarness(std::unique_ptr<MlflowDatabase> place)
      : stores_(std::move(place)) {}

  TrackingStore* Open() override {
    if (opened_) stores_.Reopen();
    opened_ = true;
    return &stores_.tracking();
  }

 private:
  Stores stores_;
  bool opened_ = false;
};

class RegistryHarness final : public RegistryStoreHarness {
 public:
  explicit RegistryHarness(std::unique_ptr<MlflowDatabase> place)
      : stores_(std::move(place)) {}

  void Reopen() override { stores_.Reopen(); }
  RegistryStore& registry() override { return stores_.registry(); }
  TrackingStore& tracking() override { return stores_.tracking(); }
  absl::Status AddModelMetric(const v1::Metric& metric) override {
    const v1::Metric* const metrics[] = {&metric};
    return stores_.log().Log(
        {.run_id = metric.run_id(), .model_metrics = metrics});
  }
  int64_t TakeStatements() override { return stores_.TakeStatements(); }

 private:
  Stores stores_;
};

class LogHarness final : public RunLogHarness {
 public:
  explicit LogHarness(std::unique_ptr<MlflowDatabase> place)
      : stores_(std::move(place)) {
    Open();
  }

  void Reopen() override {
    metrics_.reset();
    stores_.Reopen();
    Open();
  }
  RunLog& log() override { return stores_.log(); }
  TrackingStore& tracking() override { return stores_.tracking(); }
  MetricStore& metrics() override { return *metrics_; }

 private:
  void Open() { metrics_ = stores_.NewMetricStore(); }

  Stores stores_;
  std::unique_ptr<MetricStore> metrics_;
};

}  // namespace

std::unique_ptr<MetricStoreHarness> MlflowMetricStore(
    std::unique_ptr<MlflowDatabase> database) {
  return std::make_unique<MetricHarness>(std::move(database));
}

std::unique_ptr<TrackingStoreHarness> MlflowTrackingStore(
    std::unique_ptr<MlflowDatabase> database) {
  return std::make_unique<TrackingHarness>(std::move(database));
}

std::unique_ptr<RegistryStoreHarness> MlflowRegistryStore(
    std::unique_ptr<MlflowDatabase> database) {
  return std::make_unique<RegistryHarness>(std::move(database));
}

std::unique_ptr<RunLogHarness> MlflowRunLog(
    std::unique_ptr<MlflowDatabase> database) {
  return std::make_unique<LogHarness>(std::move(database));
}

}  // namespace millstream::storage
