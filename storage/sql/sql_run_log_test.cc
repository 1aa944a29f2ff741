#include "storage/sql/sql_run_log.h"

#include <atomic>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/sql/metric_outbox.h"
#include "storage/testing/forced_files.h"
#include "storage/testing/run_log_stores.h"

namespace millstream::storage {
namespace {

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";
constexpr char kOtherRun[] = "fedcba9876543210fedcba9876543210";
constexpr char kModel[] = "m-1";
constexpr RunLogForTest::Options kCrashing = {.background = false};

class SqlRunLogTest : public testing::Test {
 protected:
  SqlRunLogTest() {
    folder_ = testing::TempDir() + testing::UnitTest::GetInstance()
                                       ->current_test_info()
                                       ->name();
    std::filesystem::remove_all(folder_);
    log_ = std::make_unique<RunLogForTest>(folder_, kCrashing);
    log_->AddRun(kRun);
    log_->AddRun(kOtherRun);
  }
  ~SqlRunLogTest() override {
    log_.reset();
    std::filesystem::remove_all(folder_);
  }

  // What was not flushed is lost from memory.
  void Crash() {
    log_.reset();
    log_ = std::make_unique<RunLogForTest>(folder_, kCrashing);
  }

  // Logs points of one metric, and a param if `param` is not empty.
  absl::Status Log(std::string_view run_id, std::string_view key,
                   const std::vector<MetricPoint>& points,
                   std::string_view param = "",
                   std::string_view param_value = "1") {
    const SeriesAppend series{key, points};
    google::protobuf::RepeatedPtrField<v1::Param> params;
    if (!param.empty()) {
      params.Add()->set_key(std::string(param));
      params.Mutable(0)->set_value(std::string(param_value));
    }
    return log_->log().Log({.run_id = run_id,
                            .metrics = {&series, points.empty() ? 0u : 1u},
                            .params = &params});
  }

  // The table, without what is in memory, holds what the history says is
  // latest.
  void ExpectTableAgrees(std::string_view run_id) {
    std::map<std::string, MetricPoint> latest;
    ASSERT_TRUE(log_->store()
                    .ReadLatest(run_id,
                                [&](std::string_view key,
                                    const MetricPoint& point) {
                                  latest[std::string(key)] = point;
                                })
                    .ok());
    const auto table = log_->Table(run_id);
    ASSERT_EQ(table.size(), latest.size());
    for (const auto& [key, point] : latest) {
      ASSERT_TRUE(table.contains(key)) << key;
      EXPECT_TRUE(SamePoint(table.at(key), point)) << key;
    }
  }
  size_t Marks() { return log_->store().ListMarks()->size(); }

  std::string folder_;
  std::unique_ptr<RunLogForTest> log_;
};

TEST_F(SqlRunLogTest, MetricsAloneNeedNoTransaction) {
  ASSERT_TRUE(Log(kRun, "m", {{1, 1, 1}, {2, 2, 2}}).ok());
  EXPECT_EQ(log_->History(kRun, "m").size(), 2u);
  EXPECT_EQ(log_->OutboxRows(), 0);
  EXPECT_THAT(log_->Table(kRun), testing::IsEmpty());
  const auto candidates = log_->latest().Candidates(kRun);
  EXPECT_TRUE(SamePoint(candidates.at("m"), {2, 2, 2}));
  ASSERT_TRUE(log_->log().Maintain().ok());
  ExpectTableAgrees(kRun);
  EXPECT_THAT(log_->latest().Candidates(kRun), testing::IsEmpty());
}

TEST_F(SqlRunLogTest, FramesCommitWithTheirPoints) {
  const MetricPoint point{1, 1, 1};
  const SeriesAppend series{"m", {&point, 1}};
  EXPECT_EQ(*log_->log().LastFrame(kRun, "w"), 0u);
  ASSERT_TRUE(log_->log()
                  .Log({.run_id = kRun,
                        .metrics = {&series, 1},
                        .frame = {"w", 1}})
                  .ok());
  ASSERT_TRUE(log_->log().Log({.run_id = kRun, .frame = {"w", 2}}).ok());
  EXPECT_EQ(log_->OutboxRows(), 0);
  log_->store().fail_appends = true;
  EXPECT_FALSE(log_->log().Log({.run_id = kRun, .frame = {"w", 3}}).ok());
  log_->store().fail_appends = false;
  EXPECT_EQ(*log_->log().LastFrame(kRun, "w"), 2u);
  Crash();
  EXPECT_EQ(*log_->log().LastFrame(kRun, "w"), 2u);
  EXPECT_EQ(log_->History(kRun, "m").size(), 1u);
  ExpectTableAgrees(kRun);
}

TEST_F(SqlRunLogTest, FramesHoldMetricsAlone) {
  google::protobuf::RepeatedPtrField<v1::Param> params;
  params.Add()->set_key("p");
  EXPECT_FALSE(
      log_->log()
          .Log({.run_id = kRun, .params = &params, .frame = {"w", 1}})
          .ok());
  EXPECT_TRUE(log_->Params(kRun).empty());
}

TEST_F(SqlRunLogTest, RunsThatAreNotActiveTakeNothing) {
  EXPECT_EQ(GetErrorCode(log_->log().LastFrame("nobody", "w").status()),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(GetErrorCode(Log("nobody", "m", {{1, 1, 1}})),
            v1::RESOURCE_DOES_NOT_EXIST);
  EXPECT_EQ(GetErrorCode(Log("nobody", "m", {{1, 1, 1}}, "p")),
            v1::RESOURCE_DOES_NOT_EXIST);
  ASSERT_TRUE(Log(kRun, "m", {{1, 1, 1}}).ok());
  ASSERT_TRUE(log_->database()
                  .Write([](sql::Transaction& transaction) {
                    return transaction.Execute(
                        "UPDATE runs SET lifecycle_stage = 'deleted'");
                  })
                  .ok());
  log_->active_runs().Forget(kRun);
  EXPECT_EQ(GetErrorCode(Log(kRun, "m", {{2, 2, 2}})),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(GetErrorCode(log_->log().LastFrame(kRun, "w").status()),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(GetErrorCode(Log(kRun, "m", {{2, 2, 2}}, "p")),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_EQ(log_->History(kRun, "m").size(), 1u);
}

TEST_F(SqlRunLogTest, AParamThatMayNotChangeKeepsTheMetricsOut) {
  ASSERT_TRUE(Log(kRun, "", {}, "p", "1").ok());
  EXPECT_EQ(GetErrorCode(Log(kRun, "m", {{1, 1, 1}}, "p", "2")),
            v1::INVALID_PARAMETER_VALUE);
  EXPECT_THAT(log_->History(kRun, "m"), testing::IsEmpty());
  EXPECT_EQ(log_->OutboxRows(), 0);
}

TEST_F(SqlRunLogTest, MetricsOfAModelGoToItAndToTheRun) {
  ASSERT_TRUE(
      log_->database()
          .Write([](sql::Transaction& transaction) {
            return transaction.Execute(
                "INSERT INTO logged_models (model_id, experiment_id, name, "
                "artifact_location, creation_timestamp_ms, "
                "last_updated_timestamp_ms, status, lifecycle_stage) VALUES "
                "(?, 0, 'n', '', 0, 0, 1, 'active')",
                kModel);
          })
          .ok());
  v1::Metric metric;
  metric.set_key("m");
  metric.set_value(0.5);
  metric.set_timestamp(7);
  metric.set_step(3);
  metric.set_model_id(kModel);
  metric.set_dataset_name("d");
  const MetricPoint point{7, 3, 0.5};
  const SeriesAppend series{"m", {&point, 1}};
  const v1::Metric* const metrics[] = {&metric};
  const RunLogBatch batch = {
      .run_id = kRun, .metrics = {&series, 1}, .model_metrics = metrics};
  ASSERT_TRUE(log_->log().Log(batch).ok());
  ASSERT_TRUE(log_->log().Log(batch).ok());
  EXPECT_EQ(log_->History(kRun, "m").size(), 1u);
  ASSERT_TRUE(log_->database()
                  .Read([](sql::Connection& connection) -> absl::Status {
                    auto row = connection.Query(
                        "SELECT run_id, metric_value, dataset_name, "
                        "dataset_digest FROM logged_model_metrics");
                    EXPECT_TRUE(*(*row)->Step());
                    EXPECT_EQ((*row)->Text(0), kRun);
                    EXPECT_EQ((*row)->Double(1), 0.5);
                    EXPECT_EQ((*row)->Text(2), "d");
                    EXPECT_TRUE((*row)->IsNull(3));
                    EXPECT_FALSE(*(*row)->Step());
                    return absl::OkStatus();
                  })
                  .ok());
  metric.set_value(0.25);
  EXPECT_EQ(GetErrorCode(log_->log().Log(batch)), v1::BAD_REQUEST);
  metric.set_model_id("m-unknown");
  EXPECT_EQ(GetErrorCode(log_->log().Log(batch)), v1::BAD_REQUEST);
}

// --- The outbox, by the place of the crash.

TEST_F(SqlRunLogTest, CrashAfterTheCommitBeforeTheAppend) {
  log_->store().fail_appends = true;
  EXPECT_FALSE(Log(kRun, "m", {{1, 1, 1}, {2, 2, 2}}, "p").ok());
  EXPECT_THAT(log_->History(kRun, "m"), testing::IsEmpty());
  EXPECT_EQ(log_->OutboxRows(), 1);
  Crash();
  EXPECT_EQ(log_->Params(kRun).at("p"), "1");
  EXPECT_EQ(log_->History(kRun, "m").size(), 2u);
  EXPECT_EQ(log_->OutboxRows(), 0);
  ExpectTableAgrees(kRun);
  EXPECT_EQ(Marks(), 0u);
}

TEST_F(SqlRunLogTest, AnAppendThatFailsIsMadeUpForOnceTheStoreWrites) {
  log_->store().fail_appends = true;
  EXPECT_FALSE(Log(kRun, "m", {{1, 1, 1}}, "p").ok());
  EXPECT_EQ(Log(kOtherRun, "m", {{1, 1, 1}}, "q").code(),
            absl::StatusCode::kUnavailable);
  EXPECT_TRUE(log_->Params(kOtherRun).empty()) << "refused before its commit";
  EXPECT_FALSE(log_->log().Maintain().ok());
  log_->store().fail_appends = false;
  EXPECT_FALSE(Log(kOtherRun, "m", {{1, 1, 1}}, "q").ok())
      << "the first is not whole yet";
  ASSERT_TRUE(log_->log().Maintain().ok());
  EXPECT_EQ(log_->History(kRun, "m").size(), 1u);
  EXPECT_EQ(log_->OutboxRows(), 0);
  ASSERT_TRUE(Log(kOtherRun, "m", {{1, 1, 1}}, "q").ok());
  EXPECT_EQ(log_->Params(kOtherRun).at("q"), "1");
  ExpectTableAgrees(kRun);
}

TEST_F(SqlRunLogTest, CrashAfterTheAppendBeforeTheRemoval) {
  ASSERT_TRUE(Log(kRun, "m", {{1, 1, 1}, {2, 2, 2}}, "p").ok());
  EXPECT_EQ(log_->History(kRun, "m").size(), 2u);
  EXPECT_EQ(log_->OutboxRows(), 1);
  Crash();
  EXPECT_EQ(log_->History(kRun, "m").size(), 2u);
  EXPECT_EQ(log_->OutboxRows(), 0);
  ExpectTableAgrees(kRun);
}

TEST_F(SqlRunLogTest, RowsStayUntilTheMetricStoreIsSynced) {
  ASSERT_TRUE(Log(kRun, "m", {{1, 1, 1}}, "p").ok());
  log_->store().fail_sync = true;
  EXPECT_FALSE(log_->log().Maintain().ok());
  EXPECT_EQ(log_->OutboxRows(), 1);
  log_->store().fail_sync = false;
  EXPECT_TRUE(log_->log().Maintain().ok());
  EXPECT_EQ(log_->OutboxRows(), 0);
}

TEST_F(SqlRunLogTest, ARowThatCannotBeReadStopsTheStart) {
  ASSERT_TRUE(log_->database()
                  .Write([](sql::Transaction& transaction) {
                    return transaction.Execute(
                        "INSERT INTO metric_outbox (run_uuid, points) "
                        "VALUES ('r', 'nonsense')");
                  })
                  .ok());
  ActiveRuns runs(&log_->database());
  LatestMetrics latest(&log_->database(), &log_->store());
  SqlRunLog log(&log_->database(), &log_->store(), &runs, &latest,
                {.background = false});
  EXPECT_EQ(log.Recover().code(), absl::StatusCode::kDataLoss);
}

// --- The marks, by the place of the crash.

TEST_F(SqlRunLogTest, CrashAfterAnAppendBeforeTheFlush) {
  ASSERT_TRUE(Log(kRun, "m", {{1, 1, 1}}).ok());
  ASSERT_TRUE(Log(kRun, "m", {{2, 2, 2}}).ok());
  ASSERT_TRUE(Log(kRun, "n", {{2, 2, NAN}}).ok());
  EXPECT_EQ(Marks(), 1u) << "one mark serves all appends of a run";
  Crash();
  ExpectTableAgrees(kRun);
  EXPECT_EQ(log_->Table(kRun).size(), 2u);
  EXPECT_EQ(Marks(), 0u);
}

TEST_F(SqlRunLogTest, CrashAfterTheFlushBeforeTheMarkIsRemoved) {
  ASSERT_TRUE(Log(kRun, "m", {{1, 1, 1}}).ok());
  log_->store().fail_remove_marks = true;
  ASSERT_TRUE(log_->log().Maintain().ok());
  EXPECT_EQ(Marks(), 1u);
  ExpectTableAgrees(kRun);
  Crash();
  ExpectTableAgrees(kRun);
  EXPECT_EQ(Marks(), 0u);
}

// At the lesser promise commits wait for no disk; a mark does.
TEST_F(SqlRunLogTest, NoPowerCutTakesTheTableBackAndNotTheMark) {
  constexpr RunLogForTest::Options kLesser = {
      .background = false, .durability = Durability::kProcess};
  const std::string database_log = folder_ + "/test.db-wal";
  log_.reset();
  log_ = std::make_unique<RunLogForTest>(folder_, kLesser);
  ASSERT_TRUE(Log(kRun, "m", {{1, 1, 1}}).ok());
  EXPECT_FALSE(IsForced(database_log));
  ASSERT_TRUE(log_->log().Maintain().ok());
  EXPECT_EQ(Marks(), 0u);
  EXPECT_TRUE(IsForced(database_log));
  // The same at a start that finds a mark.
  ASSERT_TRUE(Log(kRun, "m", {{2, 2, 2}}).ok());
  EXPECT_EQ(Marks(), 1u);
  log_.reset();
  log_ = std::make_unique<RunLogForTest>(folder_, kLesser);
  EXPECT_EQ(Marks(), 0u);
  EXPECT_TRUE(IsForced(database_log));
  ExpectTableAgrees(kRun);
}

TEST_F(SqlRunLogTest, CleanRunsAreMarkedAnew) {
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(Log(kRun, "m", {{i, i, 1.0 * i}}).ok());
    EXPECT_EQ(Marks(), 1u);
    ASSERT_TRUE(log_->log().Maintain().ok());
    EXPECT_EQ(Marks(), 0u);
  }
  ExpectTableAgrees(kRun);
}

TEST_F(SqlRunLogTest, AnAppendOfUnknownOutcomeIsSettledByTheNextStart) {
  log_->store().fail_after_appends = true;
  EXPECT_FALSE(Log(kRun, "m", {{5, 5, 5}}).ok());
  log_->store().fail_appends = true;  // it takes no more writes
  ASSERT_TRUE(log_->log().Maintain().ok());
  EXPECT_EQ(Marks(), 1u) << "the failed append's mark stays";
  Crash();
  ExpectTableAgrees(kRun);
  EXPECT_EQ(log_->Table(kRun).size(), 1u);
  EXPECT_EQ(Marks(), 0u);
}

TEST_F(SqlRunLogTest, AnAppendOfUnknownOutcomeIsSettledOnceTheStoreWrites) {
  for (bool reached : {true, false}) {
    FaultyMetricStore& store = log_->store();
    (reached ? store.fail_after_appends : store.fail_appends) = true;
    const MetricPoint point{reached ? 5 : 6, reached ? 5 : 6, 5};
    EXPECT_FALSE(Log(kRun, "m", {point}).ok());
    store.fail_after_appends = store.fail_appends = false;
    ASSERT_TRUE(Log(kOtherRun, "m", {{1, 1, 1}}).ok());
    ASSERT_TRUE(log_->log().Maintain().ok());
    ExpectTableAgrees(kRun);
    ExpectTableAgrees(kOtherRun);
    EXPECT_EQ(log_->Table(kRun).size(), 1u);
    EXPECT_EQ(Marks(), 0u);
  }
}

TEST_F(SqlRunLogTest, AFailedAppendLeavesNoMarksBehindForEver) {
  log_->store().fail_appends = true;
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(Log(kRun, "m", {{1, 1, 1}}).ok());
    ASSERT_TRUE(log_->log().Maintain().ok());
  }
  log_->store().fail_appends = false;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(Log(i % 2 == 0 ? kRun : kOtherRun, "m", {{i, i, 1.0}}).ok());
    ASSERT_TRUE(log_->latest().Flush().ok());
  }
  EXPECT_EQ(Marks(), 0u);
  ExpectTableAgrees(kRun);
}

TEST_F(SqlRunLogTest, AFlushThatFailsKeepsItsCandidates) {
  ASSERT_TRUE(Log(kRun, "m", {{1, 1, 1}}).ok());
  // The table is gone for a while.
  auto rename = [&](std::string_view sql) {
    ASSERT_TRUE(log_->database()
                    .Write([&](sql::Transaction& transaction) {
                      return transaction.Execute(sql);
                    })
                    .ok());
  };
  rename("ALTER TABLE latest_metrics RENAME TO elsewhere");
  EXPECT_FALSE(log_->log().Maintain().ok());
  ASSERT_TRUE(Log(kRun, "m", {{2, 2, 2}}).ok());
  EXPECT_TRUE(SamePoint(log_->latest().Candidates(kRun).at("m"), {2, 2, 2}));
  EXPECT_EQ(Marks(), 1u);
  rename("ALTER TABLE elsewhere RENAME TO latest_metrics");
  ASSERT_TRUE(log_->log().Maintain().ok());
  ExpectTableAgrees(kRun);
  EXPECT_EQ(Marks(), 0u);
}

// --- Latest.

TEST_F(SqlRunLogTest, TheTableOnlyMovesForward) {
  const MetricPoint points[] = {{10, 5, 1}, {9, 5, 2},    {10, 4, 9},
                                {10, 5, 2}, {10, 5, NAN}, {11, 5, -1}};
  MetricPoint greatest = points[0];
  for (const MetricPoint& point : points) {
    ASSERT_TRUE(Log(kRun, "m", {point}).ok());
    ASSERT_TRUE(log_->log().Maintain().ok());
    greatest = std::max(greatest, point, StepLess);
    EXPECT_TRUE(SamePoint(log_->Table(kRun).at("m"), greatest));
  }
}

TEST_F(SqlRunLogTest, ARunThatIsGoneDoesNotStopTheOthers) {
  ASSERT_TRUE(Log(kRun, "m", {{1, 1, 1}}).ok());
  ASSERT_TRUE(Log(kOtherRun, "m", {{1, 1, 1}}).ok());
  ASSERT_TRUE(log_->database()
                  .Write([](sql::Transaction& transaction) {
                    return transaction.Execute(
                        "DELETE FROM runs WHERE run_uuid = ?", kRun);
                  })
                  .ok());
  ASSERT_TRUE(log_->log().Maintain().ok());
  ExpectTableAgrees(kOtherRun);
}

TEST_F(SqlRunLogTest, OverlayTakesWhatIsNewerAndStaysSorted) {
  google::protobuf::RepeatedPtrField<v1::Metric> metrics;
  for (const char* key : {"b", "d"}) {
    v1::Metric* metric = metrics.Add();
    metric->set_key(key);
    metric->set_step(5);
    metric->set_timestamp(5);
    metric->set_value(5);
  }
  LatestMetrics::Points candidates;
  candidates["b"] = {9, 4, 9};  // older: its step is
  candidates["d"] = {1, 6, 1};
  candidates["c"] = {1, 1, 1};
  LatestMetrics::Overlay(candidates, &metrics);
  ASSERT_EQ(metrics.size(), 3);
  EXPECT_EQ(metrics[0].key(), "b");
  EXPECT_EQ(metrics[0].step(), 5);
  EXPECT_EQ(metrics[1].key(), "c");
  EXPECT_TRUE(metrics[1].has_value());
  EXPECT_EQ(metrics[2].step(), 6);
  EXPECT_EQ(metrics[2].timestamp(), 1);
}

TEST_F(SqlRunLogTest, TooManyCandidatesAreFlushedByWhoBringsThem) {
  constexpr size_t kPerAppend = 1000;
  const MetricPoint point{1, 1, 1};
  size_t appended = 0;
  while (appended <= LatestMetrics::kCandidatesMax) {
    std::vector<std::string> keys;
    for (size_t i = 0; i < kPerAppend; ++i) {
      keys.push_back(std::to_string(appended++));
    }
    std::vector<SeriesAppend> series;
    for (const auto& key : keys) series.push_back({key, {&point, 1}});
    ASSERT_TRUE(log_->log().Log({.run_id = kRun, .metrics = series}).ok());
  }
  EXPECT_EQ(log_->Table(kRun).size(), appended);
}

TEST_F(SqlRunLogTest, ATableThatCannotBeWrittenDoesNotFillTheMemory) {
  auto rename = [&](std::string_view sql) {
    ASSERT_TRUE(log_->database()
                    .Write([&](sql::Transaction& transaction) {
                      return transaction.Execute(sql);
                    })
                    .ok());
  };
  rename("ALTER TABLE latest_metrics RENAME TO elsewhere");
  const MetricPoint point{1, 1, 1};
  size_t appended = 0;
  absl::Status status;
  while (status.ok() && appended <= 2 * LatestMetrics::kCandidatesMax) {
    std::vector<std::string> keys;
    for (int i = 0; i < 10'000; ++i) keys.push_back(StrCat(appended + i));
    std::vector<SeriesAppend> series;
    for (const auto& key : keys) series.push_back({key, {&point, 1}});
    status = log_->log().Log({.run_id = kRun, .metrics = series});
    if (status.ok()) appended += keys.size();
  }
  EXPECT_FALSE(status.ok());
  EXPECT_GT(appended, LatestMetrics::kCandidatesMax);
  EXPECT_LT(appended, LatestMetrics::kCandidatesMax + 20'000);
  // What was acknowledged is shown, and goes on once the table is back.
  EXPECT_EQ(log_->latest().Candidates(kRun).size(), appended);
  rename("ALTER TABLE elsewhere RENAME TO latest_metrics");
  ASSERT_TRUE(log_->log().Maintain().ok());
  EXPECT_EQ(log_->Table(kRun).size(), appended);
  EXPECT_TRUE(Log(kRun, "m", {{1, 1, 1}}).ok());
}

// --- Many at once.

TEST_F(SqlRunLogTest, EveryAcknowledgedPointIsSeenAtOnceByAllReaders) {
  log_.reset();
  log_ = std::make_unique<RunLogForTest>(folder_, RunLogForTest::Options());
  std::atomic<int64_t> acknowledged = -1;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      const int64_t expected = acknowledged;
      if (expected < 0) continue;
      // As SqlTrackingStore::GetRun reads.
      auto candidates = log_->latest().Candidates(kRun);
      auto table = log_->Table(kRun);
      int64_t step = -1;
      if (candidates.contains("m")) step = candidates.at("m").step;
      if (table.contains("m")) step = std::max(step, table.at("m").step);
      ASSERT_GE(step, expected);
      // As SearchRuns does.
      const int64_t before_flush = acknowledged;
      ASSERT_TRUE(log_->latest().Flush().ok());
      ASSERT_GE(log_->Table(kRun).at("m").step, before_flush);
    }
  });
  for (int64_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(
        Log(kRun, "m", {{i, i, 1}}, i % 7 == 0 ? "p" + std::to_string(i) : "")
            .ok());
    acknowledged = i;
  }
  done = true;
  reader.join();
  Crash();
  ExpectTableAgrees(kRun);
  EXPECT_EQ(log_->History(kRun, "m").size(), 300u);
  EXPECT_EQ(Marks(), 0u);
}

TEST_F(SqlRunLogTest, ManyWritersOfOneRun) {
  log_.reset();
  log_ = std::make_unique<RunLogForTest>(folder_, RunLogForTest::Options());
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 100; ++i) {
        const std::string key = "m" + std::to_string(i % 3);
        ASSERT_TRUE(Log(kRun, key, {{i, i, 1.0 * w}}).ok());
      }
    });
  }
  for (auto& writer : writers) writer.join();
  ASSERT_TRUE(log_->log().Maintain().ok());
  ExpectTableAgrees(kRun);
  EXPECT_EQ(Marks(), 0u);
}

}  // namespace
}  // namespace millstream::storage
