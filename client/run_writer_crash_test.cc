// kill -9 of the server at random moments, while several threads log: of what a
// flush has said to be kept nothing is lost, and nothing is there twice. Points
// that are the same in all are one point, so what is sent goes through a relay
// that gives each frame that passes a mark of its own: one that was taken twice
// shows. In every second round it also hides what the server says to be kept,
// so that there is something that could be sent twice.
// MILLSTREAM_STREAM_CRASH_ROUNDS sets how often, MILLSTREAM_STREAM_CRASH_SEED
// when.
#include <atomic>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/connection.h"
#include "client/run_writer.h"
#include "client/testing/histories.h"
#include "client/testing/relay.h"
#include "client/testing/server_process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::client {
namespace {

constexpr int kRoundsDefault = 50;
constexpr int kWriters = 3;
constexpr int64_t kPointsPerFlush = 500;
constexpr absl::Duration kPatience = absl::Seconds(60);

int FromEnvironment(const char* name, int fallback) {
  const char* text = std::getenv(name);
  int number = fallback;
  if (text != nullptr && !absl::SimpleAtoi(text, &number)) std::abort();
  return number;
}

// Logs until it is told to end; `kept` is how many points a flush has said to
// be kept.
void Train(RunWriter* writer, const std::atomic<bool>* stop,
           std::atomic<int64_t>* kept) {
  int64_t step = 0;
  while (!*stop) {
    for (int i = 0; i < kPointsPerFlush; ++i, ++step) {
      ASSERT_TRUE(writer->Log("m", static_cast<double>(step), step).ok());
    }
    if (step % (4 * kPointsPerFlush) == 0) {
      ASSERT_TRUE(writer->SetTags({{"step", absl::StrCat(step)}}).ok());
    }
    if (writer->Flush(absl::Milliseconds(50)).ok()) *kept = step;
  }
  ASSERT_TRUE(writer->Flush(kPatience).ok());
  *kept = step;
}

TEST(RunWriterCrashTest, KillsLoseAndDoubleNothing) {
  const int rounds =
      FromEnvironment("MILLSTREAM_STREAM_CRASH_ROUNDS", kRoundsDefault);
  std::mt19937 random(FromEnvironment("MILLSTREAM_STREAM_CRASH_SEED", 1));
  testing::ServerProcess server;
  testing::Relay relay(server.address());
  std::vector<std::unique_ptr<RunWriter>> writers;
  std::atomic<int64_t> kept[kWriters] = {};
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    writers.push_back(*RunWriter::Create({.address = relay.address()}, {}));
    threads.emplace_back(Train, writers[i].get(), &stop, &kept[i]);
  }
  auto all_kept = [&] { return kept[0] + kept[1] + kept[2]; };
  for (int round = 0; round < rounds; ++round) {
    const int64_t before = all_kept();
    const absl::Time until = absl::Now() + kPatience;
    while (all_kept() == before && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    ASSERT_GT(all_kept(), before) << "nothing is kept any more";
    const int hidden = relay.hidden();
    relay.HideAnswers(round % 2 == 1);
    absl::SleepFor(absl::Milliseconds(random() % 100));
    while (round % 2 == 1 && relay.hidden() == hidden && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    server.Kill();
    relay.HideAnswers(false);
    absl::SleepFor(absl::Milliseconds(random() % 50));
    server.Start();
  }
  stop = true;
  for (auto& thread : threads) thread.join();

  EXPECT_THAT(relay.record().faults(), ::testing::IsEmpty());
  EXPECT_GT(relay.record().resent() + relay.hidden(), 0);
  auto connection = *Connection::Make({.address = server.address()});
  for (int i = 0; i < kWriters; ++i) {
    EXPECT_TRUE(writers[i]->status().ok()) << writers[i]->status();
    const auto points =
        testing::ReadHistory(connection.get(), writers[i]->run_id(), "m");
    std::set<int64_t> steps;
    for (const auto& point : points) {
      steps.insert(point.step());
      EXPECT_EQ(point.value(), static_cast<double>(point.step()));
    }
    EXPECT_EQ(points.size(), steps.size()) << "points are there twice";
    EXPECT_EQ(steps.size(), kept[i]) << "points are lost";
    EXPECT_EQ(*steps.rbegin(), kept[i] - 1);
  }
}

}  // namespace
}  // namespace millstream::client
