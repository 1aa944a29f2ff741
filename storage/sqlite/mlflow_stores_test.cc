// The stores on MLflow's schema in a SQLite file, as they are opened in place.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/conformance/mlflow_stores.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sql/table_run_log.h"
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

// What one server has of a file that others have too.
class Server {
 public:
  explicit Server(const std::string& path) : database_(Open(path)) {
    Expect(mlflow::PrepareSchema(database_.get(), "test"));
    Expect(tracking.CreateDefaultExperiment(/*now_ms=*/1));
  }

  absl::Status CreateExperiment(const std::string& name) {
    v1::Experiment experiment;
    experiment.set_name(name);
    return tracking.CreateExperiment(experiment).status();
  }
  absl::Status LogInput(const std::string& run_id) {
    google::protobuf::RepeatedPtrField<v1::DatasetInput> inputs;
    v1::Dataset* dataset = inputs.Add()->mutable_dataset();
    dataset->set_name("wine");
    dataset->set_digest("1");
    dataset->set_source_type("local");
    dataset->set_source("{}");
    return tracking.LogInputs(run_id, inputs, {});
  }
  absl::Status LogPoint(const std::string& run_id, int64_t step) {
    const MetricPoint point{step, step, double(step)};
    const SeriesAppend series{"m", {&point, 1}};
    return log.Log({.run_id = run_id, .metrics = {&series, 1}});
  }

 private:
  static std::unique_ptr<sql::Database> Open(const std::string& path) {
    auto database = sqlite::SqliteDatabase::Open(
        path,
        {.durability = Durability::kProcess, .schema = sql::Schema::kMlflow});
    EXPECT_TRUE(database.ok()) << database.status();
    return *std::move(database);
  }
  static void Expect(const absl::Status& status) {
    EXPECT_TRUE(status.ok()) << status;
  }

  const std::unique_ptr<sql::Database> database_;

 public:
  SqlTrackingStore tracking{database_.get(),
                            &search::SqliteMlflowDialect(),
                            {}};
  TableRunLog log{database_.get(), {}};
};

TEST(ServersOnOneFileTest, NoneReliesOnWhatItRemembers) {
  constexpr int kServers = 3;
  constexpr int kPoints = 20;
  const testing::TempDir folder;
  const std::string path = folder.path() + "/mlflow.db";
  const std::string run_id(32, 'a');
  std::vector<std::unique_ptr<Server>> servers(kServers);
  std::atomic<int> made{0};
  std::atomic<int> kept{0};
  const auto at_once = [](auto work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kServers; ++i) threads.emplace_back(work, i);
    for (std::thread& thread : threads) thread.join();
  };
  at_once([&](int i) { servers[i] = std::make_unique<Server>(path); });
  v1::RunInfo info;
  info.set_run_id(run_id);
  info.set_experiment_id("0");
  info.set_status(v1::RUNNING);
  v1::Run run;
  ASSERT_TRUE(servers[0]->tracking.CreateRun(info, {}, &run).ok());
  at_once([&](int i) {
    Server& server = *servers[i];
    made += server.CreateExperiment("e").ok();
    kept += server.tracking.LogParam(run_id, "p", std::to_string(i)).ok();
    EXPECT_TRUE(server.LogInput(run_id).ok());
    for (int step = 0; step < kPoints; ++step) {
      const absl::Status status = server.LogPoint(run_id, step * kServers + i);
      EXPECT_TRUE(status.ok()) << status;
    }
  });
  EXPECT_EQ(made, 1);
  EXPECT_EQ(kept, 1);
  run.Clear();
  ASSERT_TRUE(servers[1]->tracking.GetRun(run_id, &run).ok());
  EXPECT_EQ(run.inputs().dataset_inputs_size(), 1);
  ASSERT_EQ(run.data().metrics_size(), 1);
  EXPECT_EQ(run.data().metrics(0).step(), kPoints * kServers - 1);
  // Deleted by one, closed for all.
  ASSERT_TRUE(servers[0]->tracking.DeleteRun(run_id, 7).ok());
  EXPECT_FALSE(servers[1]->LogPoint(run_id, 1).ok());
}

}  // namespace
}  // namespace millstream::storage
