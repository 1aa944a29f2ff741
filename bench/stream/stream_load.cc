// Logs metrics over gRPC streams for a while, or a number of points, every
// stream to a run of its own, and writes one JSON object to stdout: points,
// seconds, acknowledgement times, and the CPU time of the server if its process
// is named.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "bench/stream/measure.h"
#include "client/connection.h"
#include "client/frame_stream.h"
#include "millstream/v1/streams.pb.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::bench {
namespace {

using Clock = std::chrono::steady_clock;
using client::Connection;
using client::FrameStream;

constexpr absl::Duration kCallWait = absl::Seconds(60);

struct Arguments {
  std::string address = "127.0.0.1:5001";
  int streams = 1;
  int columns = 10;
  int points = 1000;  // of a column, in a frame
  double seconds = 5;
  uint64_t total = 0;  // points of all streams; 0: as many as there is time for
  int pause_us = 0;    // between frames
  int server_pid = 0;
};

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// A loss curve: it falls, with noise in it.
class Curve {
 public:
  explicit Curve(uint64_t seed) : state_(seed * 2654435761 + 1) {}
  double Next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    const double noise = static_cast<double>(state_ >> 40) / (1 << 24);
    return static_cast<float>(2 / std::sqrt(1.0 + 0.01 * step_++) +
                              0.05 * noise);
  }

 private:
  uint64_t state_;
  double step_ = 0;
};

// One stream of frames, over the client library's parts: what a frame has is
// made here, for a program that logs points one by one is no limit that a
// server should be measured by.
class Writer {
 public:
  // Makes a run, over a connection of its own.
  static absl::StatusOr<std::unique_ptr<Writer>> Make(
      const Arguments& arguments) {
    ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection,
                     Connection::Make({.address = arguments.address}));
    v1::CreateRunRequest request;
    request.set_experiment_id("0");
    v1::CreateRunResponse response;
    RETURN_IF_ERROR(connection->Call("TrackingService/CreateRun", request,
                                     &response, kCallWait));
    return std::make_unique<Writer>(arguments, std::move(connection),
                                    response.run().info().run_id());
  }

  Writer(const Arguments& arguments, std::unique_ptr<Connection> connection,
         std::string run_id)
      : arguments_(arguments),
        connection_(std::move(connection)),
        run_id_(std::move(run_id)) {
    for (int i = 0; i < arguments_.columns; ++i) curves_.emplace_back(i);
  }

  absl::Status Run(Clock::time_point until) {
    const std::unique_ptr<FrameStream> stream =
        FrameStream::Open(*connection_, run_id_, "bench", [this] { Notify(); });
    const uint64_t last = LastFrame();
    // The next frame is made while this one is on its way.
    v1::LogMetricsRequest next;
    Fill(1, next.mutable_frame());
    uint64_t number = 0;
    while (last > 0 ? number < last : Clock::now() < until) {
      if (!Await(stream.get(), [&] { return stream->writable(); })) break;
      stream->message()->Swap(&next);
      sent_.push_back(Clock::now());
      stream->Write();
      ++number;
      Fill(number + 1, next.mutable_frame());
      if (arguments_.pause_us > 0) {
        std::this_thread::sleep_for(
            std::chrono::microseconds(arguments_.pause_us));
      }
    }
    if (Await(stream.get(), [&] { return stream->writable(); })) {
      stream->WritesDone();
      Await(stream.get(), [] { return false; });
    }
    RETURN_IF_ERROR(stream->Finish());
    if (durable_ == number) return absl::OkStatus();
    return absl::DataLossError("the stream ended early");
  }

  uint64_t points() const {
    return durable_ * arguments_.columns * arguments_.points;
  }
  const std::vector<double>& answer_seconds() const { return answer_seconds_; }

 private:
  // The number of the last frame, if it is not time that says when to end.
  uint64_t LastFrame() const {
    const uint64_t frame_points =
        static_cast<uint64_t>(arguments_.columns) * arguments_.points;
    return arguments_.total / arguments_.streams / frame_points;
  }

  void Fill(uint64_t number, v1::MetricFrame* frame) {
    frame->Clear();
    frame->set_number(number);
    for (int c = 0; c < arguments_.columns; ++c) {
      if (number == 1) frame->add_new_keys("metric_" + std::to_string(c));
      v1::MetricColumn* column = frame->add_columns();
      column->set_key(c);
      const int n = arguments_.points;
      column->mutable_step_deltas()->Reserve(n);
      column->mutable_timestamp_deltas()->Reserve(n);
      column->mutable_values()->Reserve(n);
      const int64_t step = static_cast<int64_t>((number - 1) * n);
      for (int i = 0; i < n; ++i) {
        column->add_step_deltas(i == 0 ? step : 1);
        column->add_timestamp_deltas(i == 0 ? 1700000000000 + 20 * step : 20);
        column->add_values(curves_[c].Next());
      }
    }
  }

  // Takes answers until `done`; false: the stream has ended first.
  template <typename Done>
  bool Await(FrameStream* stream, Done done) {
    for (;;) {
      // Asked first: of a stream that has ended all answers are there.
      const bool ended = stream->ended();
      TakeAnswers(stream->durable().value_or(0));
      if (ended) return false;
      if (done()) return true;
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return notified_; });
      notified_ = false;
    }
  }

  void TakeAnswers(uint64_t durable) {
    const auto now = Clock::now();
    for (; durable_ < durable; ++durable_) {
      answer_seconds_.push_back(Seconds(now - sent_.front()));
      sent_.pop_front();
    }
  }

  void Notify() {
    std::lock_guard lock(mutex_);
    notified_ = true;
    changed_.notify_one();
  }

  const Arguments arguments_;
  const std::unique_ptr<Connection> connection_;
  const std::string run_id_;
  std::vector<Curve> curves_;
  std::deque<Clock::time_point> sent_;
  std::vector<double> answer_seconds_;
  uint64_t durable_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
};

int Load(const Arguments& arguments) {
  std::vector<std::unique_ptr<Writer>> writers;
  for (int i = 0; i < arguments.streams; ++i) {
    auto writer = Writer::Make(arguments);
    if (!writer.ok()) {
      std::fprintf(stderr, "%s\n", writer.status().ToString().c_str());
      return 1;
    }
    writers.push_back(*std::move(writer));
  }
  const double cpu_before =
      arguments.server_pid == 0 ? 0 : CpuSeconds(arguments.server_pid);
  const auto begin = Clock::now();
  const auto until =
      begin + std::chrono::duration_cast<Clock::duration>(
                  std::chrono::duration<double>(arguments.seconds));
  std::atomic<bool> failed = false;
  std::vector<std::thread> threads;
  for (auto& writer : writers) {
    threads.emplace_back([&writer, &failed, until] {
      const absl::Status status = writer->Run(until);
      if (status.ok()) return;
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      failed = true;
    });
  }
  for (auto& thread : threads) thread.join();
  const double seconds = Seconds(Clock::now() - begin);
  const double cpu = arguments.server_pid == 0
                         ? 0
                         : CpuSeconds(arguments.server_pid) - cpu_before;
  uint64_t points = 0;
  std::vector<double> answers;
  for (const auto& writer : writers) {
    points += writer->points();
    answers.insert(answers.end(), writer->answer_seconds().begin(),
                   writer->answer_seconds().end());
  }
  std::sort(answers.begin(), answers.end());
  const auto count = static_cast<double>(points);
  std::printf(
      "{\"streams\": %d, \"points_per_frame\": %d, \"points\": %.0f, "
      "\"seconds\": %.3f, \"points_per_second\": %.0f, "
      "\"server_cpu_us_per_point\": %.4f, \"acknowledged_p50_ms\": %.2f, "
      "\"acknowledged_p99_ms\": %.2f, \"failed\": %s}\n",
      arguments.streams, arguments.columns * arguments.points, count, seconds,
      count / seconds, count > 0 ? cpu * 1e6 / count : 0,
      1e3 * Percentile(answers, 0.5), 1e3 * Percentile(answers, 0.99),
      failed ? "true" : "false");
  return failed ? 1 : 0;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Load for the gRPC metric stream of a millstream server.");
  app.add_option("--address", arguments.address, "host:port of gRPC");
  app.add_option("--streams", arguments.streams, "writers, each with a run");
  app.add_option("--columns", arguments.columns, "metrics in a frame");
  app.add_option("--points", arguments.points, "points of each in a frame");
  app.add_option("--seconds", arguments.seconds);
  app.add_option("--total", arguments.total,
                 "points of all streams, however long it takes");
  app.add_option("--pause-us", arguments.pause_us, "between frames");
  app.add_option("--server-pid", arguments.server_pid,
                 "process whose CPU time is measured");
  CLI11_PARSE(app, argc, argv);
  return Load(arguments);
}

}  // namespace
}  // namespace millstream::bench

int main(int argc, char** argv) { return millstream::bench::Main(argc, argv); }
