#include "aws/process_output.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/str_cat.h"

namespace millstream::aws {
namespace {

// How often a program is looked at that has closed its output and not ended.
constexpr absl::Duration kLookInterval = absl::Milliseconds(10);

// A program in a process group of its own, killed at the end of this if the
// program has not ended.
class Process {
 public:
  Process() = default;
  ~Process() {
    if (output_ >= 0) close(output_);
    if (pid_ <= 0 || ended_) return;
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  absl::Status Start(const std::string& command);
  absl::StatusOr<std::string> Read(absl::Time until, size_t bytes_max);
  absl::Status Wait(absl::Time until);

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  bool ended_ = false;
};

absl::Status TookTooLong() {
  return absl::DeadlineExceededError("it took too long");
}

absl::Status Process::Start(const std::string& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::UnavailableError("no pipe can be made");
  }
  output_ = ends[0];
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY,
                                   0);
  posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
  // Ours are held back for the main thread, or ignored.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
                                            POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF);
  std::string shell = "sh", flag = "-c", text = command;
  char* const arguments[] = {shell.data(), flag.data(), text.data(), nullptr};
  const int failed = posix_spawn(&pid_, "/bin/sh", &files, &attributes,
                                 arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  close(ends[1]);
  if (failed == 0) return absl::OkStatus();
  pid_ = -1;
  return absl::UnavailableError("it cannot be started");
}

absl::StatusOr<std::string> Process::Read(absl::Time until, size_t bytes_max) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const int64_t left_ms =
        std::max<int64_t>(absl::ToInt64Milliseconds(until - absl::Now()), 0);
    pollfd ready = {.fd = output_, .events = POLLIN, .revents = 0};
    const int count = poll(&ready, 1, static_cast<int>(left_ms));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return TookTooLong();
    const ssize_t bytes = read(output_, buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return absl::UnavailableError("its output cannot be read");
    if (bytes == 0) return text;
    text.append(buffer.data(), bytes);
    if (text.size() > bytes_max) {
      return absl::ResourceExhaustedError("it wrote too much");
    }
  }
}

absl::Status Process::Wait(absl::Time until) {
  for (;;) {
    int status = 0;
    const pid_t found = waitpid(pid_, &status, WNOHANG);
    if (found == pid_) {
      ended_ = true;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return absl::OkStatus();
      }
      return absl::UnavailableError(
          WIFEXITED(status)
              ? StrCat("it ended with status ", WEXITSTATUS(status))
              : StrCat("it ended by signal ", WTERMSIG(status)));
    }
    if (absl::Now() > until) return TookTooLong();
    absl::SleepFor(kLookInterval);
  }
}

}  // namespace

absl::StatusOr<std::string> OutputOf(const std::string& command,
                                     absl::Duration time_max,
                                     size_t bytes_max) {
  const absl::Time until = absl::Now() + time_max;
  Process process;
  RETURN_IF_ERROR(process.Start(command));
  ASSIGN_OR_RETURN(std::string text, process.Read(until, bytes_max));
  RETURN_IF_ERROR(process.Wait(until));
  return text;
}

}  // namespace millstream::aws
