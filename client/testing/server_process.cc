#include "client/testing/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace millstream::client::testing {
namespace {

constexpr char kProgram[] = "app/millstream";
constexpr absl::Duration kStartWait = absl::Seconds(60);

}  // namespace

ServerProcess::ServerProcess(std::vector<std::string> flags)
    : flags_(std::move(flags)) {
  std::string name = ::testing::TempDir() + "/server_XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  folder_ = name;
  Start();
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0) Kill();
  std::filesystem::remove_all(folder_);
}

void ServerProcess::Start(const std::string& name) {
  std::filesystem::remove(folder_ + "/ports");
  const std::string data = folder_ + "/" + name, ports = folder_ + "/ports";
  const std::string log = folder_ + "/log";
  std::vector<const char*> command = {
      kProgram,      "server",      "--host",      "127.0.0.1",
      "--port",      "0",           "--grpc-port", grpc_port_.c_str(),
      "--port-file", ports.c_str(), "--data-dir",  data.c_str()};
  for (const std::string& flag : flags_) command.push_back(flag.c_str());
  command.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    execv(kProgram, const_cast<char**>(command.data()));
    _exit(127);
  }
  const absl::Time until = absl::Now() + kStartWait;
  while (!ReadPorts()) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0 || absl::Now() > until) {
      std::ifstream text(log);
      std::string all((std::istreambuf_iterator<char>(text)), {});
      std::fprintf(stderr, "the server does not start:\n%s\n", all.c_str());
      std::abort();
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
}

bool ServerProcess::ReadPorts() {
  std::ifstream file(folder_ + "/ports");
  std::string port;
  if (!(file >> port >> grpc_port_)) return false;
  address_ = "127.0.0.1:" + grpc_port_;
  return true;
}

void ServerProcess::Stop() { End(SIGTERM); }
void ServerProcess::Kill() { End(SIGKILL); }

void ServerProcess::End(int signal) {
  kill(pid_, signal);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace millstream::client::testing
