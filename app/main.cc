// millstream: the program.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "app/config.h"
#include "app/container.h"
#include "app/flags.h"
#include "app/server.h"
#include "app/tools.h"
#include "app/version.h"
#include "base/liveness.h"
#include "base/log.h"
#include "google/protobuf/stubs/logging.h"

namespace millstream::app {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitFailure = 1;

// SIGINT and SIGTERM, held back in all threads so that main can wait for them.
sigset_t HoldBackStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A client that goes away is told by write(), not by a signal.
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// Waits as long as no signal to stop is held back.
class StopSignal final : public Liveness {
 public:
  explicit StopSignal(const sigset_t& signals) : signals_(signals) {}
  absl::Status Alive() const override {
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    for (const int signal : {SIGINT, SIGTERM}) {
      if (sigismember(&signals_, signal) && sigismember(&pending, signal)) {
        return absl::CancelledError("asked to stop");
      }
    }
    return absl::OkStatus();
  }

 private:
  const sigset_t signals_;
};

// Whole or not at all: readers poll for the file.
absl::Status WritePortFile(const std::string& path, const Server& server) {
  const std::string unfinished = path + ".new";
  std::ofstream file(unfinished, std::ios::trunc);
  file << server.port() << " " << server.grpc_port() << "\n";
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(unfinished, path, error);
  if (!file || error) {
    return absl::UnavailableError(
        absl::StrCat("--port-file: cannot write '", path, "'."));
  }
  return absl::OkStatus();
}

std::string Url(const Config& config, uint16_t port) {
  // An address that stands for all of them is no place to point a browser at.
  std::string host = config.host;
  if (host == "0.0.0.0" || host == "::") host = "127.0.0.1";
  if (host.find(':') != std::string::npos) {
    host = absl::StrCat("[", host, "]");
  }
  return absl::StrCat(host, ":", port);
}

int Serve(const Config& config) {
  const sigset_t stop_signals = HoldBackStopSignals();
  const StopSignal stop(stop_signals);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(config, stop);
  if (!server.ok() && !stop.Alive().ok()) return 0;
  absl::Status status = server.status();
  if (status.ok() && !config.port_file.empty()) {
    status = WritePortFile(config.port_file, **server);
  }
  if (!status.ok()) {
    fprintf(stderr, "millstream: %s\n", std::string(status.message()).c_str());
    return kExitFailure;
  }
  const bool ui = !config.ui_dir.empty();
  printf("millstream %s: %s %s://%s%s, gRPC %s, data in %s\n", kVersion,
         ui ? "API and UI" : "API (no UI found; see --ui-dir)",
         config.tls_cert.empty() ? "http" : "https",
         Url(config, (*server)->port()).c_str(), config.static_prefix.c_str(),
         Url(config, (*server)->grpc_port()).c_str(),
         (config.backend.has_value() ? config.backend->Redacted()
                                     : config.data_dir)
             .c_str());
  fflush(stdout);
  int signal = 0;
  sigwait(&stop_signals, &signal);
  LogEvent(Severity::kInfo, "stopping",
           {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
  // A second signal ends us at once: nothing acknowledged is lost by that.
  pthread_sigmask(SIG_UNBLOCK, &stop_signals, nullptr);
  server->reset();
  LogInfo("stopped");
  return 0;
}

int Main(int argc, char** argv) {
#ifdef NDEBUG
  // Debian's build of it looks for cycles whenever a lock is taken, all threads
  // at one graph. Tests are built so that it does.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  // Callers whose bytes are no message are told; they write no lines here.
  google::protobuf::SetLogHandler(nullptr);
  absl::StatusOr<ParsedFlags> flags =
      ParseFlags(std::vector<std::string>(argv + 1, argv + argc));
  absl::Status status = flags.status();
  if (status.ok()) {
    if (!flags->print.empty()) {
      fputs(flags->print.c_str(), stdout);
      return 0;
    }
    if (!flags->tool.empty()) {
      const sigset_t stop_signals = HoldBackStopSignals();
      return RunTool(*flags, StopSignal(stop_signals));
    }
    if (flags->container) status = ReadContainer(&*flags);
    absl::StatusOr<Config> config =
        status.ok() ? MakeConfig(*flags) : absl::StatusOr<Config>(status);
    if (config.ok() && config->backend.has_value()) {
      config->backend->fresh_password = PasswordOfContainer(*flags);
    }
    if (config.ok()) SetLogFormat(config->log_format);
    for (const std::string& warning : flags->warnings) LogWarning(warning);
    if (config.ok()) {
      for (const std::string& warning : config->warnings) LogWarning(warning);
      return Serve(*config);
    }
    status = config.status();
  }
  fprintf(stderr, "millstream: %s\n", std::string(status.message()).c_str());
  return kExitUsage;
}

}  // namespace
}  // namespace millstream::app

int main(int argc, char** argv) { return millstream::app::Main(argc, argv); }
