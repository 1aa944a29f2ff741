// Calls one rpc over gRPC for a while, in a closed loop, and writes one JSON
// object to stdout: calls, seconds, latencies, and the CPU time of the server
// if its process is named.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "bench/stream/measure.h"
#include "client/connection.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::bench {
namespace {

using Clock = std::chrono::steady_clock;
using client::Connection;

constexpr absl::Duration kCallWait = absl::Seconds(60);

struct Arguments {
  std::string address = "127.0.0.1:5001";
  std::string user;
  std::string password;
  std::string rpc = "log-metric";
  int callers = 8;
  double seconds = 5;
  int server_pid = 0;
};

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Calls one after the other, about a run of its own.
class Caller {
 public:
  static absl::StatusOr<std::unique_ptr<Caller>> Make(
      const Arguments& arguments) {
    ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection,
                     Connection::Make({.address = arguments.address,
                                       .user = arguments.user,
                                       .password = arguments.password}));
    v1::CreateRunRequest request;
    request.set_experiment_id("0");
    v1::CreateRunResponse response;
    RETURN_IF_ERROR(connection->Call("TrackingService/CreateRun", request,
                                     &response, kCallWait));
    return std::make_unique<Caller>(std::move(connection),
                                    response.run().info().run_id());
  }

  Caller(std::unique_ptr<Connection> connection, std::string run_id)
      : connection_(std::move(connection)), run_id_(std::move(run_id)) {}

  void Run(const std::string& rpc, Clock::time_point until) {
    while (status_.ok()) {
      const auto begin = Clock::now();
      if (begin >= until) return;
      status_ = rpc == "log-metric" ? LogMetric() : GetRun();
      latencies_.push_back(Seconds(Clock::now() - begin));
    }
  }

  const absl::Status& status() const { return status_; }
  const std::vector<double>& latencies() const { return latencies_; }

 private:
  absl::Status LogMetric() {
    v1::LogMetricRequest request;
    request.set_run_id(run_id_);
    request.set_key("loss");
    request.set_value(1.0 / static_cast<double>(1 + step_));
    request.set_timestamp(1700000000000 + step_);
    request.set_step(step_++);
    v1::LogMetricResponse response;
    return connection_->Call("TrackingService/LogMetric", request, &response,
                             kCallWait);
  }
  absl::Status GetRun() {
    v1::GetRunRequest request;
    request.set_run_id(run_id_);
    v1::GetRunResponse response;
    return connection_->Call("TrackingService/GetRun", request, &response,
                             kCallWait);
  }

  const std::unique_ptr<Connection> connection_;
  const std::string run_id_;
  int64_t step_ = 0;
  absl::Status status_;
  std::vector<double> latencies_;
};

int Load(const Arguments& arguments) {
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < arguments.callers; ++i) {
    auto caller = Caller::Make(arguments);
    if (!caller.ok()) {
      std::fprintf(stderr, "%s\n", caller.status().ToString().c_str());
      return 1;
    }
    callers.push_back(*std::move(caller));
  }
  const double cpu_before =
      arguments.server_pid == 0 ? 0 : CpuSeconds(arguments.server_pid);
  const auto begin = Clock::now();
  const auto until =
      begin + std::chrono::duration_cast<Clock::duration>(
                  std::chrono::duration<double>(arguments.seconds));
  std::vector<std::thread> threads;
  for (auto& caller : callers) {
    threads.emplace_back([&] { caller->Run(arguments.rpc, until); });
  }
  for (auto& thread : threads) thread.join();
  const double seconds = Seconds(Clock::now() - begin);
  const double cpu = arguments.server_pid == 0
                         ? 0
                         : CpuSeconds(arguments.server_pid) - cpu_before;
  bool failed = false;
  std::vector<double> latencies;
  for (const auto& caller : callers) {
    if (!caller->status().ok()) {
      std::fprintf(stderr, "%s\n", caller->status().ToString().c_str());
      failed = true;
    }
    latencies.insert(latencies.end(), caller->latencies().begin(),
                     caller->latencies().end());
  }
  std::sort(latencies.begin(), latencies.end());
  const auto count = static_cast<double>(latencies.size());
  std::printf(
      "{\"rpc\": \"%s\", \"callers\": %d, \"calls\": %.0f, \"seconds\": %.3f, "
      "\"calls_per_second\": %.0f, \"server_cpu_us_per_call\": %.2f, "
      "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"failed\": %s}\n",
      arguments.rpc.c_str(), arguments.callers, count, seconds, count / seconds,
      count > 0 ? cpu * 1e6 / count : 0, 1e3 * Percentile(latencies, 0.5),
      1e3 * Percentile(latencies, 0.99), failed ? "true" : "false");
  return failed ? 1 : 0;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Load for the gRPC calls of a millstream server.");
  app.add_option("--address", arguments.address, "host:port of gRPC");
  app.add_option("--user", arguments.user);
  app.add_option("--password", arguments.password);
  app.add_option("--rpc", arguments.rpc)
      ->check(CLI::IsMember({"log-metric", "get-run"}));
  app.add_option("--callers", arguments.callers,
                 "each with a connection and a run");
  app.add_option("--seconds", arguments.seconds);
  app.add_option("--server-pid", arguments.server_pid,
                 "process whose CPU time is measured");
  CLI11_PARSE(app, argc, argv);
  return Load(arguments);
}

}  // namespace
}  // namespace millstream::bench

int main(int argc, char** argv) { return millstream::bench::Main(argc, argv); }
