#include "storage/testing/cutting_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/str_cat.h"

namespace millstream::storage::testing {
namespace {

// How often threads look whether they are to end.
constexpr int kPollMs = 20;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  abort();
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) Fail("the path is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int NewSocket() {
  const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made < 0) Fail("socket");
  return made;
}

// True: there is something to read, or the end.
bool IsReadable(int socket, int wait_ms) {
  pollfd poll_for = {socket, POLLIN, 0};
  return poll(&poll_for, 1, wait_ms) > 0;
}

// Empty: the connection has ended.
std::string Read(int socket) {
  char buffer[1 << 16];
  const ssize_t size = read(socket, buffer, sizeof(buffer));
  return size <= 0 ? "" : std::string(buffer, static_cast<size_t>(size));
}

bool Write(int socket, std::string_view data) {
  while (!data.empty()) {
    const ssize_t size = send(socket, data.data(), data.size(), MSG_NOSIGNAL);
    if (size <= 0) return false;
    data.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

void SwallowAnswer(int server, std::string_view request,
                   std::string_view until) {
  if (!Write(server, request)) return;
  std::string answer;
  do {
    const std::string more = Read(server);
    if (more.empty()) return;
    answer += more;
  } while (answer.find(until) == std::string::npos);
}

}  // namespace

CuttingProxy::CuttingProxy(std::string_view socket, std::string server)
    : server_(std::move(server)),
      folder_("/tmp/millstream-cut.XXXXXX"),
      listener_(NewSocket()) {
  // Not in the test's own folder: its path may be too long for a socket.
  if (mkdtemp(folder_.data()) == nullptr) Fail("no folder");
  const sockaddr_un address = AddressOf(StrCat(folder_, "/", socket));
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) != 0 ||
      listen(listener_, SOMAXCONN) != 0) {
    Fail("the proxy cannot listen");
  }
  acceptor_ = std::thread([this] { Accept(); });
}

CuttingProxy::~CuttingProxy() {
  stop_ = true;
  acceptor_.join();
  for (std::thread& passer : passers_) passer.join();
  close(listener_);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void CuttingProxy::CutNext(std::string text, Cut cut, std::string answer) {
  absl::MutexLock lock(&mutex_);
  plan_ = {.armed = true,
           .text = std::move(text),
           .cut = cut,
           .answer = std::move(answer)};
  has_cut_ = false;
}

CuttingProxy::Plan CuttingProxy::Take(std::string_view request) {
  absl::MutexLock lock(&mutex_);
  if (!plan_.armed || request.find(plan_.text) == std::string_view::npos) {
    return {};
  }
  return std::exchange(plan_, {});
}

void CuttingProxy::Accept() {
  while (!stop_) {
    if (!IsReadable(listener_, kPollMs)) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    passers_.emplace_back([this, client] {
      Pass(client);
      close(client);
    });
  }
}

void CuttingProxy::Pass(int client) {
  const int server = NewSocket();
  const sockaddr_un address = AddressOf(server_);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address),
                      sizeof(address)) == 0;
  while (open && !stop_) {
    pollfd both[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(both, 2, kPollMs) <= 0) continue;
    if (both[1].revents != 0) {
      const std::string answer = Read(server);
      open = !answer.empty() && Write(client, answer);
      continue;
    }
    const std::string request = Read(client);
    if (const Plan plan = Take(request); plan.armed) {
      if (plan.cut == Cut::kAnswer) SwallowAnswer(server, request, plan.answer);
      has_cut_ = true;
      break;
    }
    open = !request.empty() && Write(server, request);
  }
  close(server);
}

}  // namespace millstream::storage::testing
