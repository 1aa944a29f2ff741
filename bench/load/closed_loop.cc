#include "bench/load/closed_loop.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "bench/load/response_parser.h"

namespace millstream::bench {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kReadBytes = 256 * 1024;
// A server that answers nothing for so long is taken for dead.
constexpr int kSilenceMs = 300'000;

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return t.tv_sec + t.tv_usec * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// One client's connection and the exchange under way on it.
struct Session {
  Client* client = nullptr;
  int fd = -1;
  bool done = false;
  Request request;
  size_t sent = 0;
  bool polls_write = false;
  bool retried = false;
  bool in_operation = false;
  SteadyClock::time_point operation_start;
  ResponseParser parser;
};

class Loop {
 public:
  Loop(const Address& address, double seconds)
      : address_(address), seconds_(seconds), buffer_(kReadBytes, '\0') {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    for (auto& session : sessions_) CloseSocket(*session);
    if (epoll_ >= 0) close(epoll_);
  }

  absl::StatusOr<LoopResult> Run(std::vector<std::unique_ptr<Client>>& clients);

 private:
  bool TimeIsUp() const {
    return seconds_ > 0 && SteadyClock::now() - start_ >=
                               std::chrono::duration<double>(seconds_);
  }

  absl::Status Pump();
  absl::Status Open(Session& session);
  void CloseSocket(Session& session);
  // Sends the client's next request, or ends the session.
  void NextExchange(Session& session);
  void Send(Session& session);
  void Write(Session& session);
  void PollWrite(Session& session, bool on);
  void Read(Session& session);
  void Finish(Session& session);
  // The connection broke: once per exchange it is tried anew, if the server
  // had not begun to answer (it may close an idle connection at any time).
  void Broken(Session& session, absl::string_view why);
  void CountError(absl::string_view why);

  const Address address_;
  const double seconds_;
  std::string buffer_;
  int epoll_ = -1;
  size_t active_ = 0;
  SteadyClock::time_point start_;
  std::vector<std::unique_ptr<Session>> sessions_;
  LoopResult result_;
};

absl::StatusOr<LoopResult> Loop::Run(
    std::vector<std::unique_ptr<Client>>& clients) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return absl::ErrnoToStatus(errno, "epoll_create1");
  for (auto& client : clients) {
    auto session = std::make_unique<Session>();
    session->client = client.get();
    absl::Status status = Open(*session);
    if (!status.ok()) return status;
    sessions_.push_back(std::move(session));
  }
  double cpu = CpuSeconds();
  start_ = SteadyClock::now();
  active_ = sessions_.size();
  for (auto& session : sessions_) NextExchange(*session);
  absl::Status status = Pump();
  if (!status.ok()) return status;
  result_.elapsed_s =
      std::chrono::duration<double>(SteadyClock::now() - start_).count();
  result_.client_cpu_s = CpuSeconds() - cpu;
  for (auto& client : clients) result_.units += client->units();
  return std::move(result_);
}

absl::Status Loop::Pump() {
  std::array<epoll_event, 64> events;
  while (active_ > 0) {
    int n = epoll_wait(epoll_, events.data(), events.size(), kSilenceMs);
    if (n == 0) return absl::DeadlineExceededError("the server is silent");
    if (n < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "epoll_wait");
    }
    for (int i = 0; i < n; ++i) {
      Session& session = *static_cast<Session*>(events[i].data.ptr);
      if (session.polls_write) Write(session);
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) Read(session);
    }
  }
  return absl::OkStatus();
}

absl::Status Loop::Open(Session& session) {
  absl::StatusOr<int> fd = Connect(address_, /*nonblocking=*/true);
  if (!fd.ok()) return fd.status();
  session.fd = *fd;
  session.polls_write = false;
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.ptr = &session;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, session.fd, &event) != 0) {
    return absl::ErrnoToStatus(errno, "epoll_ctl");
  }
  return absl::OkStatus();
}

void Loop::CloseSocket(Session& session) {
  if (session.fd >= 0) close(session.fd);  // Leaves the epoll set by itself.
  session.fd = -1;
  session.polls_write = false;
}

void Loop::NextExchange(Session& session) {
  session.request.bytes.clear();
  session.request.tail = {};
  session.request.keep_body = true;
  if (result_.errors >= kMaxErrors ||
      !session.client->Next(TimeIsUp(), &session.request)) {
    session.done = true;
    --active_;
    return;
  }
  if (!session.in_operation) {
    session.in_operation = true;
    session.operation_start = SteadyClock::now();
  }
  session.retried = false;
  Send(session);
}

void Loop::Send(Session& session) {
  session.sent = 0;
  session.parser.Reset(session.request.keep_body);
  if (session.fd < 0) {
    absl::Status status = Open(session);
    if (!status.ok()) {
      // Nobody listens any more: this client cannot go on.
      CountError(status.message());
      session.done = true;
      --active_;
      return;
    }
  }
  Write(session);
}

void Loop::Write(Session& session) {
  const absl::string_view head = session.request.bytes;
  const absl::string_view tail = session.request.tail;
  const size_t total = head.size() + tail.size();
  while (session.sent < total) {
    std::array<iovec, 2> parts;
    size_t n = 0;
    auto add = [&](absl::string_view text) {
      if (text.empty()) return;
      parts[n++] = {const_cast<char*>(text.data()), text.size()};
    };
    add(head.substr(std::min(session.sent, head.size())));
    add(tail.substr(session.sent - std::min(session.sent, head.size())));
    msghdr message = {};
    message.msg_iov = parts.data();
    message.msg_iovlen = n;
    ssize_t sent = sendmsg(session.fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return PollWrite(session, true);
    if (sent < 0) return Broken(session, "the server closed while we sent");
    session.sent += sent;
    result_.bytes_sent += sent;
  }
  PollWrite(session, false);
}

void Loop::PollWrite(Session& session, bool on) {
  if (session.polls_write == on) return;
  session.polls_write = on;
  epoll_event event = {};
  event.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = &session;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, session.fd, &event);
}

void Loop::Read(Session& session) {
  while (session.fd >= 0) {
    ssize_t n = recv(session.fd, buffer_.data(), buffer_.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (session.done) return CloseSocket(session);
      return Broken(session, "the server closed before it answered");
    }
    result_.bytes_received += n;
    switch (session.parser.Feed({buffer_.data(), static_cast<size_t>(n)})) {
      case ResponseParser::State::kNeedMore:
        break;
      case ResponseParser::State::kDone:
        return Finish(session);
      case ResponseParser::State::kBroken:
        session.retried = true;
        return Broken(session, "the answer is not HTTP as we know it");
    }
  }
}

void Loop::Finish(Session& session) {
  ++result_.requests;
  absl::Status status = session.client->OnAnswer(
      {session.parser.status(), session.parser.body(),
       session.parser.body_bytes()});
  if (!status.ok()) CountError(status.message());
  if (session.client->OperationDone() && session.in_operation) {
    session.in_operation = false;
    result_.latencies_us.push_back(static_cast<uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(
            SteadyClock::now() - session.operation_start)
            .count()));
  }
  if (session.parser.close()) CloseSocket(session);
  NextExchange(session);
}

void Loop::Broken(Session& session, absl::string_view why) {
  bool may_retry = !session.retried && !session.parser.started();
  CloseSocket(session);
  if (may_retry) {
    session.retried = true;
    return Send(session);
  }
  CountError(why);
  // The client judges it as an answer without status.
  (void)session.client->OnAnswer({0, {}, 0});
  session.in_operation = false;
  NextExchange(session);
}

void Loop::CountError(absl::string_view why) {
  if (++result_.errors == 1) result_.first_error = std::string(why);
}

}  // namespace

absl::StatusOr<LoopResult> RunClosedLoop(
    const Address& address, std::vector<std::unique_ptr<Client>>& clients,
    double seconds) {
  return Loop(address, seconds).Run(clients);
}

}  // namespace millstream::bench
