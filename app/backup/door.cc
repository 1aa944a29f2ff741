#include "app/backup/door.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace millstream::app {
namespace {

namespace fs = std::filesystem;

constexpr char kHello[] = "backup 1";
constexpr char kHeld[] = "held";
constexpr char kTaken[] = "taken";
constexpr char kDone[] = "done ";
constexpr char kError[] = "error ";
// A line is a sentence at most, with a path in it.
constexpr size_t kLineBytesMax = 8192;
// In which a command says what it wants.
constexpr absl::Duration kHelloMax = absl::Seconds(5);
// Between two looks at whether the command's caller still waits.
constexpr absl::Duration kLivenessInterval = absl::Milliseconds(100);

// Calls `use` with the address of a name in a folder: as it is where it fits
// into one, else by way of a descriptor of the folder.
int WithAddress(const std::string& folder, const char* name,
                absl::FunctionRef<int(const sockaddr*, socklen_t)> use) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string path = absl::StrCat(folder, "/", name);
  int fd = -1;
  if (path.size() >= sizeof(address.sun_path)) {
    fd = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    path = absl::StrCat("/proc/self/fd/", fd, "/", name);
  }
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int result =
      use(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  if (fd >= 0) close(fd);
  errno = error;
  return result;
}

bool SendLine(int socket, absl::string_view line) {
  std::string text = absl::StrCat(line, "\n");
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = send(socket, text.data() + sent, text.size() - sent,
                           MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

// False: not in time, or `stop`, unless that is negative, is readable.
bool AwaitReadable(int socket, int stop, absl::Duration timeout) {
  pollfd files[] = {{socket, POLLIN, 0}, {stop, POLLIN, 0}};
  const absl::Time end = absl::Now() + timeout;
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(end - absl::Now()) + 1;
    if (left <= 0) return false;
    const int ready = poll(files, 2, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || files[1].revents != 0) return false;
    return files[0].revents != 0;
  }
}

// A line, without its end. A side sends no line before it has the other's, so
// nothing is read beyond one.
std::optional<std::string> ReadLine(int socket, int stop,
                                    absl::Duration timeout) {
  std::string line;
  const absl::Time end = absl::Now() + timeout;
  while (line.size() < kLineBytesMax) {
    if (!AwaitReadable(socket, stop, end - absl::Now())) return std::nullopt;
    char piece[256];
    const ssize_t n = recv(socket, piece, sizeof(piece), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    line.append(piece, static_cast<size_t>(n));
    if (line.back() != '\n') continue;
    line.pop_back();
    return line;
  }
  return std::nullopt;
}

// Whether the process at the other end may read all of the folder anyway.
bool IsOwners(int socket) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
}

std::string OneLine(absl::string_view text) {
  std::string line(text.substr(0, kLineBytesMax / 2));
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

}  // namespace

absl::Status CutStores(storage::sql::Database* database,
                       storage::RocksDbMetricStore* metrics,
                       const std::string& metrics_copy,
                       absl::FunctionRef<absl::Status()> while_held,
                       absl::Duration* held) {
  RETURN_IF_ERROR(metrics->Flush());
  std::optional<absl::Status> cut;
  const absl::Status written =
      database->Write([&](storage::sql::Transaction&) -> absl::Status {
        // Those who share the transaction may have it run anew; nothing is
        // committed in between, so the cut holds. Nor are they to fail if it
        // does not succeed.
        if (cut.has_value()) return absl::OkStatus();
        const absl::Time begun = absl::Now();
        cut = metrics->Checkpoint(metrics_copy);
        if (cut->ok()) cut = while_held();
        *held = absl::Now() - begun;
        return absl::OkStatus();
      });
  return cut.has_value() ? *cut : written;
}

std::unique_ptr<BackupDoor> BackupDoor::Open(
    storage::sql::Database* database, storage::RocksDbMetricStore* metrics,
    const Options& options) {
  std::error_code error;
  fs::remove_all(absl::StrCat(options.data_dir, "/", kCutName), error);
  const std::string path = absl::StrCat(options.data_dir, "/", kDoorName);
  unlink(path.c_str());
  const int listener =
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  // Nobody can connect before it listens, so nobody does without the right.
  if (listener >= 0 && stop >= 0 &&
      WithAddress(options.data_dir, kDoorName,
                  [listener](const sockaddr* address, socklen_t size) {
                    return bind(listener, address, size);
                  }) == 0 &&
      chmod(path.c_str(), 0600) == 0 && listen(listener, 4) == 0) {
    return std::unique_ptr<BackupDoor>(
        new BackupDoor(database, metrics, options, listener, stop));
  }
  LogWarning("There can be no backup while this server runs: ", path, ": ",
             strerror(errno));
  if (listener >= 0) close(listener);
  if (stop >= 0) close(stop);
  return nullptr;
}

BackupDoor::BackupDoor(storage::sql::Database* database,
                       storage::RocksDbMetricStore* metrics,
                       const Options& options, int listener, int stop)
    : database_(database),
      metrics_(metrics),
      options_(options),
      listener_(listener),
      stop_(stop),
      thread_([this] { Run(); }) {}

BackupDoor::~BackupDoor() {
  const uint64_t one = 1;
  while (write(stop_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
  thread_.join();
  unlink(absl::StrCat(options_.data_dir, "/", kDoorName).c_str());
  close(listener_);
  close(stop_);
}

void BackupDoor::Run() {
  while (true) {
    if (!AwaitReadable(listener_, stop_, absl::Hours(1))) {
      // An hour without a command, or the end.
      pollfd stop = {stop_, POLLIN, 0};
      if (poll(&stop, 1, 0) != 0) return;
      continue;
    }
    const int client =
        accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const bool go_on = !IsOwners(client) || Serve(client);
    close(client);
    // What a command has not copied yet when the server is stopped stays for
    // it.
    if (!go_on) return;
    std::error_code error;
    fs::remove_all(absl::StrCat(options_.data_dir, "/", kCutName), error);
  }
}

bool BackupDoor::Serve(int client) {
  const std::optional<std::string> hello = ReadLine(client, stop_, kHelloMax);
  if (!hello.has_value()) return true;
  if (*hello != kHello) {
    SendLine(client, absl::StrCat(kError, "The server is of another version "
                                  "than this program. Use its own."));
    return true;
  }
  const absl::Status cut = Cut(client);
  if (!cut.ok()) {
    SendLine(client, absl::StrCat(kError, OneLine(cut.message())));
    LogWarning("A backup failed: ", cut.ToString());
    return true;
  }
  return AwaitEnd(client);
}

absl::Status BackupDoor::Cut(int client) {
  const std::string folder = absl::StrCat(options_.data_dir, "/", kCutName);
  std::error_code error;
  fs::remove_all(folder, error);
  if (mkdir(folder.c_str(), 0700) != 0) {
    return absl::UnavailableError(absl::StrCat("Cannot make '", folder, "': ",
                                               strerror(errno), "."));
  }
  absl::Duration held;
  RETURN_IF_ERROR(CutStores(
      database_, metrics_, absl::StrCat(folder, "/", kMetricsName),
      [&]() -> absl::Status {
        if (!SendLine(client, kHeld) ||
            ReadLine(client, stop_, options_.hold_max) != kTaken) {
          return absl::DeadlineExceededError(
              "The server waited for the command for too long, or was "
              "stopped; run it again.");
        }
        return absl::OkStatus();
      },
      &held));
  const int64_t held_ms = absl::ToInt64Milliseconds(held);
  LogInfo("A moment of the data folder was taken for a backup.");
  if (!SendLine(client, absl::StrCat(kDone, held_ms, " ",
                                     OneLine(options_.artifacts)))) {
    return absl::CancelledError("the command is gone");
  }
  return absl::OkStatus();
}

bool BackupDoor::AwaitEnd(int client) {
  while (true) {
    pollfd files[] = {{client, POLLIN, 0},
                      {stop_, POLLIN, 0},
                      {listener_, POLLIN, 0}};
    if (poll(files, 3, -1) < 0) continue;
    if (files[0].revents != 0) return true;
    if (files[1].revents != 0) return false;
    const int other = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (other < 0) continue;
    SendLine(other, absl::StrCat(kError, "Another backup of this data folder "
                                 "is under way; wait for its end."));
    close(other);
  }
}

absl::StatusOr<std::unique_ptr<DoorVisit>> DoorVisit::Begin(
    const std::string& data_dir, const Liveness& caller,
    absl::FunctionRef<absl::Status()> take_snapshots) {
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::unique_ptr<DoorVisit> visit(new DoorVisit(server));
  if (server < 0 ||
      WithAddress(data_dir, kDoorName,
                  [server](const sockaddr* address, socklen_t size) {
                    return connect(server, address, size);
                  }) != 0) {
    return absl::UnavailableError(absl::StrCat(
        "Another process has the data folder '", data_dir, "' open and cannot "
        "be asked for a backup (", kDoorName, ": ", strerror(errno),
        "). Run this as the user that the server runs as, or stop the "
        "server."));
  }
  const auto answer = [&]() -> absl::StatusOr<std::string> {
    while (true) {
      RETURN_IF_ERROR(caller.Alive());
      if (!AwaitReadable(server, -1, kLivenessInterval)) continue;
      std::optional<std::string> line =
          ReadLine(server, -1, absl::Seconds(5));
      if (!line.has_value()) {
        return absl::UnavailableError(
            "The server ended before it was asked for a backup. Run this "
            "again.");
      }
      if (absl::StartsWith(*line, kError)) {
        return absl::UnavailableError(line->substr(strlen(kError)));
      }
      return *std::move(line);
    }
  };
  SendLine(server, kHello);
  ASSIGN_OR_RETURN(std::string line, answer());
  if (line != kHeld) return absl::InternalError("unknown answer: " + line);
  RETURN_IF_ERROR(take_snapshots());
  SendLine(server, kTaken);
  ASSIGN_OR_RETURN(line, answer());
  int64_t held_ms = 0;
  const std::vector<std::string> words =
      absl::StrSplit(line, absl::MaxSplits(' ', 2));
  if (!absl::StartsWith(line, kDone) || words.size() != 3 ||
      !absl::SimpleAtoi(words[1], &held_ms)) {
    return absl::InternalError("unknown answer: " + line);
  }
  visit->held_ = absl::Milliseconds(held_ms);
  visit->artifacts_ = words[2];
  return visit;
}

DoorVisit::~DoorVisit() {
  if (server_ >= 0) close(server_);
}

}  // namespace millstream::app
