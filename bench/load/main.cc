// The load generator's command line. Writes one JSON object to stdout.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "bench/load/address.h"
#include "bench/load/api.h"
#include "bench/load/closed_loop.h"
#include "bench/load/workload.h"

namespace millstream::bench {
namespace {

struct Arguments {
  std::string url = "http://127.0.0.1:5000";
  std::string workload;
  double seconds = 4;
  double warmup = 0;
  bool handshake = false;
  WorkloadOptions options;
};

std::string WorkloadHelp() {
  std::string help = "Workloads:\n";
  for (const WorkloadInfo& info : Workloads()) {
    absl::StrAppendFormat(&help, "  %-18s %s\n", info.name, info.help);
  }
  absl::StrAppend(
      &help,
      "\nAs many clients as asked for send their next request when the last "
      "one is\nanswered. Writes are read back afterwards. Example:\n"
      "  load --url http://127.0.0.1:5000 --workload log-metric --seconds 4\n");
  return help;
}

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", c);
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

double PercentileMs(const std::vector<uint32_t>& sorted_us, double p) {
  if (sorted_us.empty()) return 0;
  size_t index = static_cast<size_t>(p * (sorted_us.size() - 1) + 0.5);
  return sorted_us[index] / 1000.0;
}

void Print(const Arguments& arguments, absl::string_view unit, size_t clients,
           LoopResult result, const absl::Status& verified) {
  std::sort(result.latencies_us.begin(), result.latencies_us.end());
  std::printf(
      "{\"workload\": %s, \"unit\": %s, \"clients\": %zu, "
      "\"elapsed_s\": %.6f, \"units\": %llu, \"units_per_s\": %.3f, "
      "\"requests\": %llu, \"operations\": %zu, \"p50_ms\": %.3f, "
      "\"p99_ms\": %.3f, \"max_ms\": %.3f, \"errors\": %llu, "
      "\"first_error\": %s, \"verified\": %s, \"verify_error\": %s, "
      "\"client_cpu_s\": %.6f, \"bytes_sent\": %llu, "
      "\"bytes_received\": %llu}\n",
      JsonString(arguments.workload).c_str(), JsonString(unit).c_str(),
      clients, result.elapsed_s,
      static_cast<unsigned long long>(result.units),
      result.units / std::max(result.elapsed_s, 1e-9),
      static_cast<unsigned long long>(result.requests),
      result.latencies_us.size(), PercentileMs(result.latencies_us, 0.5),
      PercentileMs(result.latencies_us, 0.99),
      PercentileMs(result.latencies_us, 1),
      static_cast<unsigned long long>(result.errors),
      JsonString(result.first_error).c_str(), verified.ok() ? "true" : "false",
      JsonString(verified.message()).c_str(), result.client_cpu_s,
      static_cast<unsigned long long>(result.bytes_sent),
      static_cast<unsigned long long>(result.bytes_received));
}

// Tells whoever reads our stdout that a phase is reached, and waits for a line
// from them: so they can read the server's CPU time exactly there.
void Handshake(bool wanted, absl::string_view phase) {
  if (!wanted) return;
  std::printf("%.*s\n", static_cast<int>(phase.size()), phase.data());
  std::fflush(stdout);
  for (int c = std::getchar(); c != '\n' && c != EOF;) c = std::getchar();
}

absl::Status Run(const Arguments& arguments) {
  absl::StatusOr<Address> address = ParseUrl(arguments.url);
  if (!address.ok()) return address.status();
  std::unique_ptr<Workload> workload;
  for (const WorkloadInfo& info : Workloads()) {
    if (info.name == arguments.workload) {
      workload = info.make(arguments.options);
    }
  }
  if (workload == nullptr) {
    return absl::InvalidArgumentError("no such workload; see --help");
  }
  Api api(*address);
  absl::StatusOr<Clients> clients = workload->Prepare(api);
  if (!clients.ok()) return clients.status();
  uint64_t warmup_units = 0;
  if (arguments.warmup > 0) {
    absl::StatusOr<LoopResult> warmup =
        RunClosedLoop(*address, *clients, arguments.warmup);
    if (!warmup.ok()) return warmup.status();
    warmup_units = warmup->units;
  }
  Handshake(arguments.handshake, "ready");
  absl::StatusOr<LoopResult> result =
      RunClosedLoop(*address, *clients, arguments.seconds);
  if (!result.ok()) return result.status();
  Handshake(arguments.handshake, "measured");
  result->units -= warmup_units;
  Print(arguments, workload->unit(), clients->size(), *std::move(result),
        workload->Verify(api));
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("A load generator for servers of MLflow's REST API.");
  app.footer(WorkloadHelp());
  app.add_option("--url", arguments.url, "The server, http://HOST:PORT");
  app.add_option("--workload", arguments.workload, "One of those below")
      ->required();
  app.add_option("--clients", arguments.options.clients, "Connections")
      ->check(CLI::Range(1, 1024));
  app.add_option("--seconds", arguments.seconds,
                 "Time to measure; 0 means until --count is reached");
  app.add_option("--warmup", arguments.warmup, "Seconds not measured before");
  app.add_option("--count", arguments.options.count,
                 "Units to write or read at most; 0 means no limit");
  app.add_option("--experiment", arguments.options.experiment,
                 "The experiment to write or read");
  app.add_option("--page", arguments.options.page, "Rows of a page");
  app.add_option("--expect", arguments.options.expect,
                 "Runs or points that a full reading must find");
  app.add_option("--artifact-mb", arguments.options.artifact_mb,
                 "Size of the artifact, 10^6 bytes");
  app.add_flag("--handshake", arguments.handshake,
               "Print 'ready' and 'measured' and wait for a line after each");
  CLI11_PARSE(app, argc, argv);
  if (arguments.seconds <= 0 && arguments.options.count == 0) {
    std::fprintf(stderr, "load: --seconds or --count must be above 0\n");
    return 2;
  }
  absl::Status status = Run(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "load: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace millstream::bench

int main(int argc, char** argv) { return millstream::bench::Main(argc, argv); }
