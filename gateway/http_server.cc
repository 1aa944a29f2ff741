#include "gateway/http_server.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cannot_listen.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "base/str_cat.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/strand.hpp"
#include "gateway/connection_list.h"
#include "gateway/front.h"
#include "gateway/handler_slots.h"
#include "gateway/http_session.h"

namespace millstream::gateway {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

// How often overdue connections and waiters are looked for.
constexpr std::chrono::milliseconds kSweep(1000);
// After a failed accept (no descriptors left, mostly).
constexpr std::chrono::milliseconds kAcceptPause(100);
constexpr int64_t kAcceptWarningMs = 10'000;

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const Options& options, const Front* front)
      : io_context_(options.threads),
        work_(io_context_.get_executor()),
        sweep_(io_context_),
        accepts_(asio::make_strand(io_context_)),
        acceptor_(accepts_),
        accept_pause_(accepts_),
        slots_(options.threads - 1),
        transfer_slots_(std::max(1, (options.threads - 1) / 2)),
        memory_(options.held_bytes_max),
        connections_(options.connections_max),
        shared_{.io_context = &io_context_,
                .front = front,
                .slots = &slots_,
                .large_slots = &large_slots_,
                .transfer_slots = &transfer_slots_,
                .connections = &connections_,
                .memory = &memory_,
                .head_ms_max = options.head_ms_max,
                .admission_ms_max = options.admission_ms_max,
                .transfer_step_ms_max = options.transfer_step_ms_max,
                .tls = options.tls,
                .notes = options.notes} {}

  absl::Status Listen(const Options& options) {
    error_code error;
    Tcp::resolver resolver(io_context_);
    const Tcp::resolver::results_type found =
        resolver.resolve(options.host, std::to_string(options.port),
                         Tcp::resolver::passive, error);
    if (error || found.empty()) {
      return absl::InvalidArgumentError(
          StrCat("--host: \"", options.host, "\" is no address to listen on."));
    }
    const Tcp::endpoint endpoint = *found.begin();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections,
                                 error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (error) {
      return CannotListen(options.host, options.port, error.value(),
                          "--port");
    }
    return absl::OkStatus();
  }

  void Run(int threads) {
    Accept();
    Sweep();
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { Work(); });
    }
  }

  uint16_t port() const { return port_; }

  void Stop() {
    std::call_once(stopped_, [this] {
      asio::post(accepts_, [this] {
        error_code ignored;
        accepting_ = false;
        acceptor_.close(ignored);
        accept_pause_.cancel();
      });
      connections_.Stop(limits::kStopMsMax);
      io_context_.stop();
      for (std::thread& thread : threads_) thread.join();
    });
  }

 private:
  void Work() {
    for (;;) {
      try {
        io_context_.run();
        return;
      } catch (const std::exception& error) {
        LogError("A server thread met an error: ", error.what());
      }
    }
  }

  void Accept() {
    acceptor_.async_accept([this](error_code error, Tcp::socket socket) {
      if (!accepting_ || error == asio::error::operation_aborted) return;
      if (error) {
        WarnOfAccept(error);
        accept_pause_.expires_after(kAcceptPause);
        accept_pause_.async_wait([this](error_code cancelled) {
          if (!cancelled && accepting_) Accept();
        });
        return;
      }
      error_code failed;
      const int taken = socket.release(failed);
      if (!failed) StartHttpSession(shared_, taken);
      Accept();
    });
  }

  // Once in a while: a server without descriptors tries again ten times a
  // second.
  void WarnOfAccept(error_code error) {
    const int64_t now_ms = MonotonicMs();
    if (now_ms < accept_warning_ms_) return;
    accept_warning_ms_ = now_ms + kAcceptWarningMs;
    LogWarning("Connections cannot be accepted: ", error.message());
  }

  void Sweep() {
    sweep_.expires_after(kSweep);
    sweep_.async_wait([this](error_code cancelled) {
      if (cancelled) return;
      connections_.EndOverdue();
      slots_.ExpireBefore(MonotonicMs());
      large_slots_.ExpireBefore(MonotonicMs());
      transfer_slots_.ExpireBefore(MonotonicMs());
      Sweep();
    });
  }

  asio::io_context io_context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer sweep_;
  // The next four are used on this strand alone once threads run.
  asio::strand<asio::io_context::executor_type> accepts_;
  Tcp::acceptor acceptor_;
  asio::steady_timer accept_pause_;
  bool accepting_ = true;
  int64_t accept_warning_ms_ = 0;
  HandlerSlots slots_;
  HandlerSlots transfer_slots_;
  HandlerSlots large_slots_{limits::kHttpLargeBodiesMax};
  MemoryBudget memory_;
  ConnectionList connections_;
  SessionShared shared_;
  uint16_t port_ = 0;
  std::vector<std::thread> threads_;
  std::once_flag stopped_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { Stop(); }

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const Options& options, const Front* front) {
  if (options.threads < 2 || options.connections_max < 1) {
    return absl::InvalidArgumentError(
        "The REST door needs two threads and a connection at least.");
  }
  try {
    auto impl = std::make_unique<Impl>(options, front);
    if (absl::Status status = impl->Listen(options); !status.ok()) {
      return status;
    }
    impl->Run(options.threads);
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        StrCat("The REST door could not start: ", error.what(), "."));
  }
}

uint16_t HttpServer::port() const { return impl_->port(); }

void HttpServer::Stop() { impl_->Stop(); }

}  // namespace millstream::gateway
