// Rows that others' transactions hold, and what is done beside them.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "storage/mlflow_schema/mlflow_schema.h"
#include "storage/postgres/postgres_testing.h"
#include "storage/search/sql_dialect.h"
#include "storage/sql/experiment_rows.h"
#include "storage/sql/sql_tracking_store.h"
#include "storage/sql/table_run_log.h"

namespace millstream::storage::postgres {
namespace {

using sql::Transaction;

class HeldRowsTest : public OwnServerDatabaseTest<SharedPostgres> {
 protected:
  void SetUp() override {
    uri_ = server().MakeDatabase(StrCat("held", ++databases_));
    database_ = Open();
    const absl::Status made = mlflow::PrepareSchema(database_.get(), "test");
    ASSERT_TRUE(made.ok()) << made;
    tracking_ = std::make_unique<SqlTrackingStore>(
        database_.get(), &search::PostgresDialect(),
        SqlTrackingStore::Options());
    v1::Experiment experiment;
    experiment.set_name("experiment");
    auto id = tracking_->CreateExperiment(experiment);
    ASSERT_TRUE(id.ok()) << id.status();
    experiment_id_ = *std::move(id);
  }

  absl::Status CreateRun(const std::string& run_id) {
    v1::RunInfo info;
    info.set_run_id(run_id);
    info.set_experiment_id(experiment_id_);
    info.set_status(v1::RUNNING);
    v1::Run run;
    return tracking_->CreateRun(info, {}, &run);
  }

  // Until a statement waits for a lock.
  void AwaitALockWait() {
    while (Number("SELECT count(*) FROM pg_stat_activity "
                  "WHERE wait_event_type = 'Lock'") == 0) {
      std::this_thread::yield();
    }
  }

  inline static int databases_ = 0;
  std::unique_ptr<SqlTrackingStore> tracking_;
  std::string experiment_id_;
};

absl::Status LogTo(TableRunLog& log, std::string_view run_id) {
  const MetricPoint point = {.timestamp_ms = 1, .step = 1, .value = 1};
  const SeriesAppend series = {"m", {&point, 1}};
  return log.Log({.run_id = run_id, .metrics = {&series, 1}});
}

TEST_F(HeldRowsTest, ARunThatSomebodyHoldsDoesNotStopOthers) {
  ASSERT_TRUE(CreateRun("held").ok());
  ASSERT_TRUE(CreateRun("free").ok());
  TableRunLog log(database_.get(), {.lanes = 1});
  absl::Status held, free;
  std::thread holds, other;
  const auto hold = [&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(transaction.Execute(
        "SELECT 1 FROM runs WHERE run_uuid = 'held' FOR UPDATE"));
    holds = std::thread([&] { held = LogTo(log, "held"); });
    AwaitALockWait();
    // Comes while the lane waits, and after that.
    other = std::thread([&] { free = LogTo(log, "free"); });
    other.join();
    EXPECT_TRUE(LogTo(log, "free").ok());
    return absl::OkStatus();
  };
  ASSERT_TRUE(database_->Write(hold).ok());
  holds.join();
  EXPECT_TRUE(free.ok()) << free;
  // Whose turn came when it was let go.
  EXPECT_TRUE(held.ok()) << held;
  EXPECT_EQ(Number("SELECT count(*) FROM metrics"), 2);
}

TEST_F(HeldRowsTest, NoRunIsMadeBesideTheEndOfItsExperiment) {
  absl::Status deleted;
  std::thread deleter;
  // As CreateRun does it.
  const auto create = [&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(sql::HoldExperimentActive(transaction,
                                              std::stoll(experiment_id_))
                        .status());
    if (!deleter.joinable()) {
      deleter = std::thread(
          [&] { deleted = tracking_->DeleteExperiment(experiment_id_, 5); });
      AwaitALockWait();
    }
    return transaction.Execute(
        "INSERT INTO runs (run_uuid, experiment_id, name, source_type, "
        "status, start_time, lifecycle_stage) "
        "VALUES ('r', ?, 'r', 'UNKNOWN', 'RUNNING', 0, 'active')",
        std::stoll(experiment_id_));
  };
  const absl::Status created = database_->Write(create);
  ASSERT_TRUE(created.ok()) << created;
  deleter.join();
  EXPECT_TRUE(deleted.ok()) << deleted;
  EXPECT_EQ(Number("SELECT count(*) FROM runs "
                   "WHERE lifecycle_stage = 'deleted'"),
            1);
  EXPECT_EQ(GetErrorCode(CreateRun("late")), v1::INVALID_PARAMETER_VALUE);
}

// As `mlflow gc` does it.
TEST_F(HeldRowsTest, ARunThatIsRemovedMeanwhileIsNotFound) {
  ASSERT_TRUE(CreateRun("removed").ok());
  TableRunLog log(database_.get(), {.lanes = 1});
  absl::Status status;
  std::thread logs;
  const auto remove = [&](Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(transaction.Execute(
        "DELETE FROM runs WHERE run_uuid = 'removed'"));
    logs = std::thread([&] { status = LogTo(log, "removed"); });
    AwaitALockWait();
    return absl::OkStatus();
  };
  ASSERT_TRUE(database_->Write(remove).ok());
  logs.join();
  EXPECT_EQ(GetErrorCode(status), v1::RESOURCE_DOES_NOT_EXIST) << status;
}

}  // namespace
}  // namespace millstream::storage::postgres
