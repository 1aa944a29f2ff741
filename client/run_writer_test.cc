// A writer and a real server, which restarts, goes away, and refuses.
#include "client/run_writer.h"

#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/connection.h"
#include "client/testing/histories.h"
#include "client/testing/relay.h"
#include "client/testing/server_process.h"
#include "gtest/gtest.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::client {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

class RunWriterTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new testing::ServerProcess(); }
  static void TearDownTestSuite() { delete server_; }

  void SetUp() override {
    connection_ = *Connection::Make({.address = server_->address()});
  }

  std::unique_ptr<RunWriter> Create(const NewRun& run = {},
                                    const WriterOptions& options = {}) {
    auto writer =
        RunWriter::Create({.address = server_->address()}, run, options);
    if (!writer.ok()) ADD_FAILURE() << writer.status();
    return *std::move(writer);
  }

  std::vector<v1::Metric> History(const RunWriter& writer,
                                  const std::string& key) {
    return testing::ReadHistory(connection_.get(), writer.run_id(), key);
  }
  v1::Run Run(const RunWriter& writer) {
    return testing::ReadRun(connection_.get(), writer.run_id());
  }

  void DeleteRun(const RunWriter& writer) {
    v1::DeleteRunRequest request;
    request.set_run_id(writer.run_id());
    v1::DeleteRunResponse response;
    ASSERT_TRUE(
        connection_
            ->Call("TrackingService/DeleteRun", request, &response, kPatience)
            .ok());
  }

  // Steps 0 to `count` of a metric, each there once.
  void ExpectSteps(const RunWriter& writer, const std::string& key,
                   int64_t count) {
    const std::vector<v1::Metric> points = History(writer, key);
    std::set<int64_t> steps;
    for (const v1::Metric& point : points) {
      steps.insert(point.step());
      EXPECT_EQ(point.value(), static_cast<double>(point.step()));
    }
    EXPECT_EQ(points.size(), count) << key;
    EXPECT_EQ(steps.size(), count) << key;
    EXPECT_EQ(steps.empty() ? -1 : *steps.rbegin(), count - 1) << key;
  }

  static testing::ServerProcess* server_;
  std::unique_ptr<Connection> connection_;
};

testing::ServerProcess* RunWriterTest::server_ = nullptr;

TEST_F(RunWriterTest, LogsARunFromItsBeginningToItsEnd) {
  auto writer = Create({.experiment = "digits",
                        .name = "first",
                        .user = "me",
                        .tags = {{"t", "1"}},
                        .params = {{"p", "2"}}});
  ASSERT_TRUE(writer->Log("loss", 0.5, 1, 1000).ok());
  ASSERT_TRUE(writer->Log("loss", NAN, 2, 1001).ok());
  ASSERT_TRUE(writer->Log("übung/β", 3, -1).ok());
  ASSERT_TRUE(writer->SetTags({{"t", "2"}, {"u", "3"}}).ok());
  EXPECT_TRUE(writer->Finish(RunStatus::kFinished, kPatience).ok());

  const v1::Run run = Run(*writer);
  EXPECT_EQ(run.info().run_name(), "first");
  EXPECT_EQ(run.info().user_id(), "me");
  EXPECT_EQ(run.info().status(), v1::FINISHED);
  EXPECT_GE(run.info().end_time(), run.info().start_time());
  std::map<std::string, std::string> tags;
  for (const auto& tag : run.data().tags()) tags[tag.key()] = tag.value();
  EXPECT_EQ(tags["t"], "2");
  EXPECT_EQ(tags["u"], "3");
  ASSERT_EQ(run.data().params_size(), 1);
  EXPECT_EQ(run.data().params(0).value(), "2");
  const auto points = History(*writer, "loss");
  ASSERT_EQ(points.size(), 2);
  EXPECT_EQ(points[0].value(), 0.5);
  EXPECT_EQ(points[0].step(), 1);
  EXPECT_EQ(points[0].timestamp(), 1000);
  EXPECT_TRUE(std::isnan(points[1].value()));
  ASSERT_EQ(History(*writer, "übung/β").size(), 1);
  EXPECT_EQ(History(*writer, "übung/β")[0].step(), -1);
  // A second run finds the experiment.
  EXPECT_EQ(Run(*Create({.experiment = "digits"})).info().experiment_id(),
            run.info().experiment_id());
}

TEST_F(RunWriterTest, ARunThatIsThereIsContinued) {
  auto first = Create();
  ASSERT_TRUE(first->Log("m", 0, 0).ok());
  ASSERT_TRUE(first->Close(kPatience).ok());
  auto second =
      RunWriter::Open({.address = server_->address()}, first->run_id());
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE((*second)->Log("m", 1, 1).ok());
  ASSERT_TRUE((*second)->Close(kPatience).ok());
  ExpectSteps(*first, "m", 2);
}

TEST_F(RunWriterTest, ManyThreadsLogManyMetrics) {
  constexpr int kThreads = 4, kPoints = 30'000;
  auto writer = Create();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string own = absl::StrCat("own", t);
      for (int i = 0; i < kPoints; ++i) {
        ASSERT_TRUE(writer->Log(own, i, i).ok());
        ASSERT_TRUE(writer->Log("all", t * kPoints + i, t * kPoints + i).ok());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(writer->Flush(kPatience).ok());
  EXPECT_EQ(writer->stats().done, 2 * kThreads * kPoints);
  EXPECT_EQ(writer->stats().buffered_bytes, 0);
  EXPECT_EQ(writer->stats().streams, 1);
  for (int t = 0; t < kThreads; ++t) {
    ExpectSteps(*writer, absl::StrCat("own", t), kPoints);
  }
  ExpectSteps(*writer, "all", kThreads * kPoints);
}

TEST_F(RunWriterTest, MoreMetricsThanAStreamNamesGoOverSeveral) {
  constexpr int kKeys = 25'000;
  auto writer = Create();
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(writer->Log(absl::StrCat("key", i), 0, 0).ok());
  }
  ASSERT_TRUE(writer->Log("key0", 1, 1).ok());
  ASSERT_TRUE(writer->Flush(kPatience).ok());
  EXPECT_GT(writer->stats().streams, 2);
  EXPECT_EQ(writer->stats().refused, 0);
  ExpectSteps(*writer, "key0", 2);
  ExpectSteps(*writer, absl::StrCat("key", kKeys - 1), 1);
}

TEST_F(RunWriterTest, AServerThatRestartsMissesAndDoublesNothing) {
  constexpr int kRounds = 3, kPoints = 50'000;
  auto writer = Create();
  int64_t step = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kPoints; ++i, ++step) {
      ASSERT_TRUE(writer->Log("m", static_cast<double>(step), step).ok());
    }
    // Some of it is on its way.
    round % 2 == 0 ? server_->Kill() : server_->Stop();
    ASSERT_TRUE(writer->SetTags({{"round", absl::StrCat(round)}}).ok());
    EXPECT_TRUE(
        absl::IsDeadlineExceeded(writer->Flush(absl::Milliseconds(10))));
    server_->Start();
  }
  ASSERT_TRUE(writer->Finish(RunStatus::kFailed, kPatience).ok());
  EXPECT_GT(writer->stats().streams, 1);
  ExpectSteps(*writer, "m", step);
  const v1::Run run = Run(*writer);
  EXPECT_EQ(run.info().status(), v1::FAILED);
  std::map<std::string, std::string> tags;
  for (const auto& tag : run.data().tags()) tags[tag.key()] = tag.value();
  EXPECT_EQ(tags["round"], absl::StrCat(kRounds - 1));
}

TEST_F(RunWriterTest, AFullBufferDropsWhileTheServerIsAway) {
  auto writer = Create(
      {}, {.buffer_bytes = kBufferBytesMin, .full_wait = absl::ZeroDuration()});
  ASSERT_TRUE(writer->Flush(kPatience).ok());
  server_->Kill();
  int64_t kept = 0;
  while (writer->Log("m", static_cast<double>(kept), kept).ok()) ++kept;
  EXPECT_TRUE(absl::IsResourceExhausted(writer->Log("m", -1, -1)));
  EXPECT_EQ(writer->stats().dropped, 2);
  EXPECT_LE(writer->stats().buffered_bytes, kBufferBytesMin);
  server_->Start();
  ASSERT_TRUE(writer->Flush(kPatience).ok());
  ExpectSteps(*writer, "m", kept);
  EXPECT_TRUE(writer->Log("m", static_cast<double>(kept), kept).ok());
}

TEST_F(RunWriterTest, AFullBufferIsWaitedForByDefault) {
  auto writer = Create({}, {.buffer_bytes = kBufferBytesMin});
  constexpr int64_t kPoints = 3000;  // far more than it holds
  server_->Kill();
  std::thread trainer([&] {
    for (int64_t i = 0; i < kPoints; ++i) {
      ASSERT_TRUE(writer->Log("m", static_cast<double>(i), i).ok());
    }
  });
  server_->Start();
  trainer.join();
  ASSERT_TRUE(writer->Flush(kPatience).ok());
  ExpectSteps(*writer, "m", kPoints);
  EXPECT_EQ(writer->stats().dropped, 0);
}

TEST_F(RunWriterTest, ADeletedRunIsAPermanentFailure) {
  auto writer = Create();
  ASSERT_TRUE(writer->Log("m", 0, 0).ok());
  ASSERT_TRUE(writer->Flush(kPatience).ok());
  EXPECT_TRUE(writer->status().ok());
  DeleteRun(*writer);
  ASSERT_TRUE(writer->Log("m", 1, 1).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(writer->Flush(kPatience)));
  EXPECT_TRUE(absl::IsInvalidArgument(writer->status()));
  EXPECT_TRUE(absl::IsInvalidArgument(writer->Log("m", 2, 2)));
  EXPECT_TRUE(
      absl::IsInvalidArgument(writer->Finish(RunStatus::kFinished, kPatience)));
  EXPECT_EQ(writer->stats().buffered_bytes, 0);
  EXPECT_TRUE(absl::IsInvalidArgument(
      RunWriter::Open({.address = server_->address()}, writer->run_id())
          .status()));
}

// A server on other data, with the same address.
TEST_F(RunWriterTest, ARunThatIsNotKnownForAWhileIsWaitedFor) {
  auto writer = Create();
  ASSERT_TRUE(writer->Log("m", 0, 0).ok());
  ASSERT_TRUE(writer->Flush(kPatience).ok());
  for (const bool by_call : {false, true}) {
    server_->Stop();
    server_->Start("other");
    const int64_t step = by_call ? 2 : 1;
    if (by_call) {
      ASSERT_TRUE(writer->SetTags({{"t", "v"}}).ok());
    }
    ASSERT_TRUE(writer->Log("m", static_cast<double>(step), step).ok());
    const absl::Time until = absl::Now() + kPatience;
    while (!absl::IsNotFound(writer->trouble()) && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_TRUE(absl::IsNotFound(writer->trouble())) << writer->trouble();
    EXPECT_TRUE(
        absl::IsDeadlineExceeded(writer->Flush(absl::Milliseconds(300))));
    EXPECT_TRUE(writer->status().ok()) << writer->status();
    server_->Stop();
    server_->Start();
    ASSERT_TRUE(writer->Flush(kPatience).ok());
  }
  EXPECT_EQ(writer->stats().refused, 0);
  ExpectSteps(*writer, "m", 3);
}

TEST_F(RunWriterTest, ARunThatIsNotKnownForLongIsGivenUp) {
  for (const bool by_call : {false, true}) {
    auto writer = Create({}, {.lost_wait = absl::Milliseconds(200)});
    ASSERT_TRUE(writer->Flush(kPatience).ok());
    server_->Stop();
    server_->Start("other");
    ASSERT_TRUE(
        (by_call ? writer->SetTags({{"t", "v"}}) : writer->Log("m", 0, 0))
            .ok());
    EXPECT_TRUE(absl::IsNotFound(writer->Flush(kPatience)));
    EXPECT_TRUE(absl::IsNotFound(writer->status()));
    EXPECT_EQ(writer->stats().refused, 1);
    server_->Stop();
    server_->Start();
  }
}

TEST_F(RunWriterTest, OneRunIsMadeThoughTheAnswerIsLost) {
  testing::Relay relay(server_->address());
  std::string experiment_id;
  int32_t runs = 0;
  for (const char* method : {"/CreateExperiment", "/CreateRun"}) {
    relay.LoseAnswer(method);
    auto writer =
        RunWriter::Create({.address = relay.address()}, {.experiment = "lost"});
    ASSERT_TRUE(writer.ok()) << writer.status();
    ++runs;
    ASSERT_TRUE((*writer)->Log("m", 0, 0).ok());
    ASSERT_TRUE((*writer)->Finish(RunStatus::kFinished, kPatience).ok());
    ExpectSteps(**writer, "m", 1);
    experiment_id = Run(**writer).info().experiment_id();
    v1::SearchRunsRequest request;
    request.add_experiment_ids(experiment_id);
    v1::SearchRunsResponse response;
    ASSERT_TRUE(
        connection_
            ->Call("TrackingService/SearchRuns", request, &response, kPatience)
            .ok());
    EXPECT_EQ(response.runs_size(), runs) << method;
  }
}

TEST_F(RunWriterTest, AParamThatIsRefusedIsTold) {
  auto writer = Create({.params = {{"p", "1"}}});
  ASSERT_TRUE(writer->LogParams({{"p", "2"}}).ok());
  ASSERT_TRUE(writer->Log("m", 0, 0).ok());
  const absl::Status refused = writer->Flush(kPatience);
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_TRUE(writer->Flush(kPatience).ok());
  EXPECT_TRUE(writer->status().ok());
  EXPECT_EQ(writer->stats().refused, 1);
  ExpectSteps(*writer, "m", 1);
}

TEST_F(RunWriterTest, OpeningSaysWhatIsWrong) {
  const ServerOptions server = {.address = server_->address()};
  EXPECT_TRUE(absl::IsNotFound(
      RunWriter::Open(server, "0123456789abcdef0123456789abcdef").status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(RunWriter::Create({.address = ""}, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      RunWriter::Create(server, {}, {.buffer_bytes = 1}).status()));
  const std::string long_value(kPairBytesMax + 1, 'v');
  EXPECT_TRUE(absl::IsInvalidArgument(
      RunWriter::Create(server, {.tags = {{"t", long_value}}}).status()));
  const auto away = RunWriter::Create({.address = "127.0.0.1:1"}, {},
                                      {.open_wait = absl::Milliseconds(50)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(away.status()) ||
              absl::IsUnavailable(away.status()));
}

TEST_F(RunWriterTest, CloseEndsItAndRepeatsWhatItSaid) {
  auto writer = Create();
  ASSERT_TRUE(writer->Log("m", 0, 0).ok());
  EXPECT_TRUE(writer->Close(kPatience).ok());
  EXPECT_TRUE(writer->Close(kPatience).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(writer->Log("m", 1, 1)));
  ExpectSteps(*writer, "m", 1);
}

TEST_F(RunWriterTest, CloseDoesNotWaitLongerThanItMay) {
  auto writer = Create();
  server_->Kill();
  ASSERT_TRUE(writer->Log("m", 0, 0).ok());
  ASSERT_TRUE(writer->SetTags({{"t", "v"}}).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(writer->Close(absl::Milliseconds(20))));
  server_->Start();
}

TEST_F(RunWriterTest, TheExampleTrains) {
  const std::string command = "client/example/train " + server_->address();
  FILE* output = popen(command.c_str(), "r");
  ASSERT_NE(output, nullptr);
  char run_id[33] = {};
  ASSERT_EQ(fread(run_id, 1, 32, output), 32);
  EXPECT_EQ(pclose(output), 0);
  const v1::Run run = testing::ReadRun(connection_.get(), run_id);
  EXPECT_EQ(run.info().status(), v1::FINISHED);
  const auto loss = testing::ReadHistory(connection_.get(), run_id, "loss");
  ASSERT_EQ(loss.size(), 2000);
  std::map<int64_t, double> by_step;
  for (const auto& point : loss) by_step[point.step()] = point.value();
  EXPECT_LT(by_step[1999], by_step[0] / 10);
}

}  // namespace
}  // namespace millstream::client
