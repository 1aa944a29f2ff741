// kill -9 at any moment, against a model of what must be there: every
// acknowledged batch whole, of each writer's batch under way all or nothing,
// nothing twice, and the latest metrics what the history says.
//
// The test runs itself as the server that is killed. MILLSTREAM_CRASH_ROUNDS
// sets how often; MILLSTREAM_CRASH_SEED what is written and when it is killed.
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"
#include "storage/testing/run_log_stores.h"

namespace millstream::storage {
namespace {

constexpr int kWriters = 3;
constexpr int kRoundsDefault = 6;
constexpr int kAcknowledgedMax = 150;  // in a round
constexpr int64_t kStepsPerBatch = 100;

int FromEnvironment(const char* name, int fallback) {
  const char* text = std::getenv(name);
  int number = fallback;
  if (text != nullptr && !absl::SimpleAtoi(text, &number)) std::abort();
  return number;
}

// --- The model: what batch `index` of a writer is.

struct Batch {
  std::map<std::string, std::vector<MetricPoint>> metrics;
  std::string param;  // empty: metrics alone
};

std::string RunOf(int writer) {
  return std::string(31, 'a') + static_cast<char>('0' + writer);
}

Batch MakeBatch(int seed, int writer, int64_t index) {
  std::mt19937_64 random(seed * 1000003 + writer * 1009 + index);
  Batch batch;
  const int keys = 1 + random() % 3;
  for (int k = 0; k < keys; ++k) {
    auto& points = batch.metrics["m" + std::to_string(k)];
    const int count = random() % 3 == 0 ? 1 : 1 + random() % 40;
    for (int i = 0; i < count; ++i) {
      // Times go back and forth, so that blocks overlap.
      points.push_back({static_cast<int64_t>(random() % 1000) + 20 * index,
                        index * kStepsPerBatch + i,
                        static_cast<double>(random() % 1000)});
    }
  }
  if (random() % 2 == 0) batch.param = "p" + std::to_string(index);
  return batch;
}

// --- The process that is killed.

void Write(RunLogForTest* log, int seed, int writer, int64_t index) {
  while (true) {
    const Batch batch = MakeBatch(seed, writer, index);
    std::vector<SeriesAppend> series;
    for (const auto& [key, points] : batch.metrics) {
      series.push_back({key, points});
    }
    google::protobuf::RepeatedPtrField<v1::Param> params;
    if (!batch.param.empty()) {
      params.Add()->set_key(batch.param);
      params.Mutable(0)->set_value("v");
    }
    absl::Status status = log->log().Log({.run_id = RunOf(writer),
                                          .metrics = series,
                                          .params = &params});
    if (!status.ok()) std::abort();
    // One write of a few bytes: whole or not at all.
    const char line[2] = {static_cast<char>('0' + writer), '\n'};
    if (write(STDOUT_FILENO, line, sizeof(line)) != sizeof(line)) return;
    ++index;
  }
}

// arguments: folder, durability, seed, then each writer's next batch.
int WriterMain(char** arguments) {
  RunLogForTest log(arguments[0],
                    {.durability = arguments[1][0] == 'm'
                                       ? Durability::kMachine
                                       : Durability::kProcess});
  const int seed = std::atoi(arguments[2]);
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back(Write, &log, seed, w, std::atoll(arguments[3 + w]));
  }
  for (auto& writer : writers) writer.join();
  return 0;
}

// --- The test.

class RunLogCrashTest : public testing::TestWithParam<Durability> {
 protected:
  RunLogCrashTest() : seed_(FromEnvironment("MILLSTREAM_CRASH_SEED", 1)) {
    folder_ = testing::TempDir() + "crash" +
              std::to_string(static_cast<int>(GetParam()));
    std::filesystem::remove_all(folder_);
    RunLogForTest log(folder_, {.background = false});
    for (int w = 0; w < kWriters; ++w) log.AddRun(RunOf(w));
  }
  ~RunLogCrashTest() override { std::filesystem::remove_all(folder_); }

  // Starts the process, kills it after `acknowledged_max` answers, and counts
  // the batches of each writer that were acknowledged.
  void RunAndKill(int acknowledged_max) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      dup2(pipe_ends[1], STDOUT_FILENO);
      close(pipe_ends[0]);
      close(pipe_ends[1]);
      ExecWriter();
    }
    close(pipe_ends[1]);
    FILE* lines = fdopen(pipe_ends[0], "r");
    int acknowledged = 0;
    for (int c; (c = fgetc(lines)) != EOF;) {
      if (c < '0' || c >= '0' + kWriters) continue;
      ++next_batch_[c - '0'];
      if (++acknowledged == acknowledged_max) kill(child, SIGKILL);
    }
    fclose(lines);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    ASSERT_EQ(WTERMSIG(status), SIGKILL);
    ASSERT_GE(acknowledged, acknowledged_max);
  }

  [[noreturn]] void ExecWriter() {
    std::vector<std::string> arguments = {
        "writer", "--writer", folder_,
        GetParam() == Durability::kMachine ? "machine" : "process",
        std::to_string(seed_)};
    for (int64_t next : next_batch_) arguments.push_back(std::to_string(next));
    std::vector<char*> pointers;
    for (auto& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    execv("/proc/self/exe", pointers.data());
    _exit(1);
  }

  // Checks all writers' batches after a start; those under way that turn out
  // to be kept count as written.
  void CheckAll() {
    RunLogForTest log(folder_, {.background = false});
    for (int w = 0; w < kWriters; ++w) {
      const int64_t kept = CheckHistory(log, w);
      const auto params = log.Params(RunOf(w));
      std::set<std::string> expected;
      for (int64_t i = 0; i < kept; ++i) {
        const Batch batch = MakeBatch(seed_, w, i);
        if (!batch.param.empty()) expected.insert(batch.param);
      }
      EXPECT_EQ(params.size(), expected.size());
      for (const auto& param : expected) EXPECT_TRUE(params.contains(param));
      CheckLatest(log, w);
      next_batch_[w] = kept;
    }
    EXPECT_EQ(log.OutboxRows(), 0);
    EXPECT_TRUE(log.store().ListMarks()->empty());
  }

  // Returns how many batches of the writer are there.
  int64_t CheckHistory(RunLogForTest& log, int writer) {
    const int64_t acknowledged = next_batch_[writer];
    const Batch under_way = MakeBatch(seed_, writer, acknowledged);
    const auto& [key, points] = *under_way.metrics.begin();
    bool kept = false;
    for (const MetricPoint& point : log.History(RunOf(writer), key)) {
      kept = kept || point.step >= points[0].step;
    }
    std::map<std::string, std::vector<MetricPoint>> expected;
    for (int64_t i = 0; i < acknowledged + kept; ++i) {
      for (const auto& [k, p] : MakeBatch(seed_, writer, i).metrics) {
        expected[k].insert(expected[k].end(), p.begin(), p.end());
      }
    }
    for (const char* k : {"m0", "m1", "m2"}) {
      auto& wanted = expected[k];
      std::sort(wanted.begin(), wanted.end(), HistoryLess);
      const auto found = log.History(RunOf(writer), k);
      EXPECT_EQ(found.size(), wanted.size()) << "writer " << writer << " " << k;
      EXPECT_TRUE(std::equal(found.begin(), found.end(), wanted.begin(),
                             wanted.end(), SamePoint));
    }
    return acknowledged + kept;
  }

  void CheckLatest(RunLogForTest& log, int writer) {
    const auto table = log.Table(RunOf(writer));
    size_t series = 0;
    ASSERT_TRUE(log.store()
                    .ReadLatest(RunOf(writer),
                                [&](std::string_view key,
                                    const MetricPoint& latest) {
                                  ++series;
                                  const auto row = table.find(std::string(key));
                                  ASSERT_NE(row, table.end()) << key;
                                  EXPECT_TRUE(SamePoint(row->second, latest));
                                })
                    .ok());
    EXPECT_EQ(table.size(), series);
  }

  const int seed_;
  std::string folder_;
  // Of each writer: batches before this one are kept.
  std::vector<int64_t> next_batch_ = std::vector<int64_t>(kWriters);
};

TEST_P(RunLogCrashTest, NothingAcknowledgedIsLostNothingIsHalf) {
  std::mt19937_64 random(seed_);
  const int rounds = FromEnvironment("MILLSTREAM_CRASH_ROUNDS", kRoundsDefault);
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << seed_ << " round " << round);
    RunAndKill(1 + static_cast<int>(random() % kAcknowledgedMax));
    if (HasFatalFailure()) return;
    CheckAll();
  }
}

INSTANTIATE_TEST_SUITE_P(Durabilities, RunLogCrashTest,
                         testing::Values(Durability::kMachine,
                                         Durability::kProcess));

}  // namespace

int RunWriter(char** arguments) { return WriterMain(arguments); }

}  // namespace millstream::storage

int main(int argc, char** argv) {
  if (argc > 2 && std::string(argv[1]) == "--writer") {
    return millstream::storage::RunWriter(argv + 2);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
