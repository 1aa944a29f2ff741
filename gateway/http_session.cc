#include "gateway/http_session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "base/str_cat.h"
#include "boost/asio/as_tuple.hpp"
#include "boost/asio/awaitable.hpp"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/detached.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/ssl/error.hpp"
#include "boost/asio/ssl/stream.hpp"
#include "boost/asio/use_awaitable.hpp"
#include "boost/asio/write.hpp"
#include "gateway/body_pace.h"
#include "gateway/connection_list.h"
#include "gateway/error_body.h"
#include "gateway/front.h"
#include "gateway/handler_slots.h"
#include "gateway/http_in_buffer.h"
#include "gateway/http_parser.h"
#include "gateway/http_tls.h"
#include "gateway/http_writer.h"
#include "gateway/request_id.h"
#include "gateway/socket_caller.h"
#include "openssl/err.h"
#include "openssl/sslerr.h"

namespace millstream::gateway {
namespace {

namespace asio = boost::asio;
using Task = asio::awaitable<void>;
using Tcp = asio::ip::tcp;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// What one read takes while nobody wants what is read.
constexpr size_t kWasteBytes = 64 * 1024;

HttpReply TooLarge() {
  return HtmlError(413, StrCat("A request here has at most ",
                               limits::kHttpBodyBytesMax, " bytes."));
}

std::string PeerOf(const Tcp::socket& socket) {
  boost::system::error_code error;
  const Tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return "unknown";
  return StrCat(peer.address().to_string(), ":", peer.port());
}

class Session {
 public:
  Session(const SessionShared& shared, Tcp::socket socket)
      : shared_(shared),
        socket_(std::move(socket)),
        entry_(shared.connections, socket_.native_handle(), &full_),
        held_(shared.memory),
        parser_(PeerOf(socket_)) {
    if (shared.tls != nullptr) tls_.emplace(socket_, *shared.tls->Current());
  }

  Task Run() {
    if (full_) co_return;
    if (tls_.has_value()) {
      const bool agreed = co_await Handshake();
      if (!agreed) co_return;
    }
    for (;;) {
      const bool read = co_await ReadHead();
      if (!read) break;
      const bool next = co_await Serve();
      if (!next) break;
      parser_.Next();
      in_.Shrink();
      if (entry_.stopping() && in_.empty()) break;
    }
    co_await Linger();
  }

 private:
  asio::awaitable<bool> Handshake() {
    entry_.SetPhase(ConnectionList::Phase::kHead);
    entry_.SetDeadline(MonotonicMs() + limits::kTlsHandshakeMsMax);
    const auto [error] =
        co_await tls_->async_handshake(asio::ssl::stream_base::server, kAwait);
    if (!error) {
      entry_.SetPhase(ConnectionList::Phase::kIdle);
      co_return true;
    }
    if (error.category() == asio::error::get_ssl_category() &&
        ERR_GET_REASON(static_cast<unsigned long>(error.value())) ==
            SSL_R_HTTP_REQUEST) {
      static constexpr std::string_view kUseHttps =
          "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
          "Content-Type: text/plain\r\n\r\n"
          "This server speaks TLS: use https:// in its address.\n";
      co_await asio::async_write(socket_, asio::buffer(kUseHttps), kAwait);
      tls_.reset();
      co_await Linger();
    }
    co_return false;
  }

  // One read more, of a body of which `expected` bytes are missing; false if
  // there is nothing more to come.
  asio::awaitable<bool> Read(uint64_t expected = 0) {
    const asio::mutable_buffer room = in_.Prepare(expected);
    if (expected > 0 && !tls_.has_value()) {
      // Most of it is there already; through the scheduler each piece would
      // wake another thread.
      boost::system::error_code failed;
      const size_t count = socket_.read_some(room, failed);
      if (!failed && count > 0) {
        in_.Commit(count);
        co_return true;
      }
    }
    boost::system::error_code error;
    size_t count = 0;
    if (tls_.has_value()) {
      std::tie(error, count) = co_await tls_->async_read_some(room, kAwait);
    } else {
      std::tie(error, count) = co_await socket_.async_read_some(room, kAwait);
    }
    if (error || count == 0) {
      lost_ = true;
      co_return false;
    }
    in_.Commit(count);
    co_return true;
  }

  asio::awaitable<bool> ReadHead() {
    entry_.SetDeadline(MonotonicMs() + limits::kHttpIdleMsMax);
    bool begun = false;
    while (parser_.state() == HttpParser::State::kHead) {
      if (!in_.empty()) {
        if (!begun) {
          begun = true;
          entry_.SetPhase(ConnectionList::Phase::kHead);
          entry_.SetDeadline(MonotonicMs() + shared_.head_ms_max);
        }
        in_.Consume(parser_.Feed(in_.view()));
        if (parser_.fault().has_value()) {
          co_await Refuse();
          co_return false;
        }
        if (parser_.state() != HttpParser::State::kHead) break;
      }
      const bool more = co_await Read();
      if (!more) co_return false;
    }
    co_return true;
  }

  // Answers a request that could not be read.
  Task Refuse() {
    const HttpFault& fault = *parser_.fault();
    begun_ = std::chrono::steady_clock::now();
    request_id_ = RequestIdOf(RequestHead());
    peer_ = parser_.head().peer;
    HttpReply reply = HtmlError(fault.status, fault.message);
    co_await Write(reply, /*keep_alive=*/false);
  }

  // Answers the request whose head was read; false ends the connection.
  asio::awaitable<bool> Serve() {
    entry_.SetPhase(ConnectionList::Phase::kBusy);
    begun_ = std::chrono::steady_clock::now();
    request_id_ = RequestIdOf(parser_.head());
    Front::Plan plan = shared_.front->Begin(parser_.head());
    is_probe_ = plan.is_probe;
    peer_ = plan.peer;
    auth::IdentityPtr identity;
    if (plan.guarded) {
      auth::Verdict verdict =
          co_await Introduce(*shared_.front->gate(), plan.peer);
      if (verdict.ok()) {
        identity = *std::move(verdict);
      } else {
        plan.reply = ErrorReply(verdict.status());
      }
    }
    if (plan.reply.has_value()) co_return co_await SendEarly(*plan.reply);
    const SocketCaller caller(socket_.native_handle());
    const Request request{parser_.head(), std::move(plan.variables),
                          std::move(plan.base_url), request_id_,
                          std::move(plan.peer), std::move(identity), &caller};
    if (plan.handler->streams_body()) {
      co_return co_await ServeStream(*plan.handler, request);
    }
    if (parser_.head().content_length.value_or(0) >
        limits::kHttpBodyBytesMax) {
      HttpReply reply = TooLarge();
      co_return co_await SendEarly(reply);
    }
    const bool invited = co_await Invite();
    if (!invited) co_return false;
    pace_ = BodyPace();
    while (parser_.state() == HttpParser::State::kBody) {
      if (!HoldBody()) {
        HttpReply reply = BusyReply();
        co_return co_await SendEarly(reply);
      }
      const bool read = co_await ReadBody();
      if (!read) co_return false;
      if (parser_.body_bytes() > limits::kHttpBodyBytesMax) {
        HttpReply reply = TooLarge();
        co_return co_await SendEarly(reply);
      }
    }
    HttpReply reply = co_await Answer(*plan.handler, request);
    co_return co_await Send(reply);
  }

  // Finds out who asks.
  asio::awaitable<auth::Verdict> Introduce(auth::Gate& gate,
                                           std::string_view peer) {
    const RequestHead& head = parser_.head();
    const std::string_view authorization =
        head.Header("authorization").value_or("");
    if (std::optional<auth::Verdict> known = gate.Recall(authorization)) {
      co_return *std::move(known);
    }
    entry_.SetDeadline(MonotonicMs() + limits::kPasswordCheckMsMax);
    co_return co_await Told<auth::Verdict>([&](auto tell) {
      gate.Check(authorization, peer, std::move(tell));
    });
  }

  // Waits for what `ask` tells: it is called with a function that it calls
  // once, with a T, at once or later, from any thread.
  template <typename T, typename Ask>
  asio::awaitable<T> Told(Ask ask) {
    const auto executor = shared_.io_context->get_executor();
    asio::use_awaitable_t<> token;
    std::shared_ptr<T> told =
        co_await asio::async_initiate<asio::use_awaitable_t<>,
                                      void(std::shared_ptr<T>)>(
            [&ask, executor](auto handler) {
              auto shared_handler =
                  std::make_shared<decltype(handler)>(std::move(handler));
              ask([shared_handler, executor](T value) {
                auto told = std::make_shared<T>(std::move(value));
                asio::post(executor, [shared_handler, told] {
                  std::move (*shared_handler)(told);
                });
              });
            },
            token);
    co_return std::move(*told);
  }

  // Runs a handler that takes its body whole.
  asio::awaitable<HttpReply> Answer(const Handler& handler,
                                    const Request& request) {
    if (handler.is_instant()) {
      co_return handler.Answer(request, &parser_.body());
    }
    const bool large = parser_.body().size() > limits::kHttpLargeBodyBytes;
    std::optional<HeldSlot> large_slot;
    if (large) {
      const bool taken = co_await TakeSlot(shared_.large_slots);
      if (!taken) co_return BusyReply();
      large_slot.emplace(shared_.large_slots);
    }
    std::optional<HeldSlot> transfer_slot;
    if (handler.is_transfer()) {
      const bool taken = co_await TakeSlot(shared_.transfer_slots);
      if (!taken) co_return BusyReply();
      transfer_slot.emplace(shared_.transfer_slots);
    }
    const bool taken = co_await TakeSlot(shared_.slots);
    if (!taken) co_return BusyReply();
    HeldSlot slot(shared_.slots);
    co_return Guarded(
        [&] { return handler.Answer(request, &parser_.body()); });
  }

  // An upload: its bytes go to the handler as they come.
  asio::awaitable<bool> ServeStream(const Handler& handler,
                                    const Request& request) {
    Handler::Opening opening;
    const bool slot_taken = co_await TakeTransferSlots(/*begun=*/false);
    if (!slot_taken) {
      opening.reply = BusyReply();
    } else {
      HeldSlot slot(shared_.slots);
      HeldSlot transfer_slot(shared_.transfer_slots);
      opening.reply = Guarded([&]() -> std::optional<HttpReply> {
        opening = handler.Open(request);
        return std::move(opening.reply);
      });
    }
    if (opening.reply.has_value()) co_return co_await SendEarly(*opening.reply);
    const bool invited = co_await Invite();
    if (!invited) co_return false;
    pace_ = BodyPace();
    bool done = false;
    while (!done) {
      done = parser_.state() == HttpParser::State::kDone;
      if (!done) {
        const bool read = co_await ReadBody();
        if (!read) co_return false;
      }
      done = parser_.state() == HttpParser::State::kDone;
      std::string& bytes = parser_.body();
      // Without room it is passed on in smaller pieces.
      if (!done && bytes.size() < limits::kTransferChunkBytes && HoldBody()) {
        continue;
      }
      std::optional<HttpReply> reply;
      const bool slot_taken = co_await TakeTransferSlots(/*begun=*/true);
      if (!slot_taken) {
        reply = BusyReply();
      } else {
        HeldSlot slot(shared_.slots);
        HeldSlot transfer_slot(shared_.transfer_slots);
        reply = Guarded([&]() -> std::optional<HttpReply> {
          std::optional<HttpReply> refusal = opening.taker->Take(bytes);
          if (!refusal.has_value() && done) return opening.taker->Finish();
          return refusal;
        });
        bytes.clear();
      }
      if (reply.has_value()) {
        // What was not finished goes before the answer does.
        opening.taker.reset();
        co_return co_await SendEarly(*reply);
      }
    }
    co_return false;
  }

  // Calls a handler; what it throws (it should not) stays here.
  template <typename F>
  static auto Guarded(F&& call) -> decltype(call()) {
    try {
      return call();
    } catch (const std::exception& error) {
      LogError("A handler failed: ", error.what());
      return ErrorReply(absl::InternalError(""));
    }
  }

  // Waits for a slot. The one taken is the caller's to give back. From here to
  // the next read or write the connection has no deadline: the wait has its
  // own, and so have calls (kHttpCallMsMax), and who ends a connection whose
  // request is being worked on makes its sender send it again.
  asio::awaitable<bool> TakeSlot(HandlerSlots* slots) {
    return TakeSlot(slots, shared_.admission_ms_max);
  }
  asio::awaitable<bool> TakeSlot(HandlerSlots* slots, int64_t wait_ms) {
    entry_.ClearDeadline();
    if (slots->TryTake()) co_return true;
    const int64_t now_ms = MonotonicMs();
    co_return co_await Told<bool>([&](auto tell) {
      slots->Wait(now_ms + wait_ms, std::move(tell));
    });
  }

  // Waits for the slots of a step of a transfer, both the caller's to give
  // back. One that has begun waits longer: what it sent so far would be for
  // nothing.
  asio::awaitable<bool> TakeTransferSlots(bool begun) {
    const int64_t wait_ms =
        begun ? shared_.transfer_step_ms_max : shared_.admission_ms_max;
    const bool first = co_await TakeSlot(shared_.transfer_slots, wait_ms);
    if (!first) co_return false;
    const bool second = co_await TakeSlot(shared_.slots, wait_ms);
    if (!second) shared_.transfer_slots->Give();
    co_return second;
  }

  // Tells a caller that asked first to go on with the body.
  asio::awaitable<bool> Invite() {
    if (!parser_.expects_continue() ||
        parser_.state() != HttpParser::State::kBody || !in_.empty()) {
      co_return true;
    }
    static constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
    entry_.SetDeadline(MonotonicMs() + limits::kHttpWriteMsMax);
    co_return co_await WriteAll(asio::buffer(kGoOn));
  }

  // Reads more of the body; false if the connection is lost or the body bad,
  // which is said unless its request is `answered` already.
  asio::awaitable<bool> ReadBody(bool answered = false) {
    // Of a body in chunks it is not known: it comes as it does.
    const uint64_t length =
        parser_.head().content_length.value_or(limits::kTransferChunkBytes);
    const uint64_t missing =
        std::max<uint64_t>(length, parser_.body_bytes() + 1) -
        parser_.body_bytes();
    if (in_.empty()) {
      const bool read = co_await ReadInPace(missing);
      if (!read) co_return false;
    }
    const size_t used = parser_.Feed(in_.view());
    in_.Consume(used);
    if (parser_.fault().has_value()) {
      if (!answered) co_await Refuse();
      co_return false;
    }
    if (used == 0 && parser_.state() == HttpParser::State::kBody) {
      co_return co_await ReadInPace(missing);
    }
    co_return true;
  }

  // A read of the body, of which `missing` bytes are to come, in the time that
  // is left for it.
  asio::awaitable<bool> ReadInPace(uint64_t missing) {
    const int64_t start_ms = MonotonicMs();
    const size_t had = in_.view().size();
    entry_.SetDeadline(start_ms + pace_.MsLeft());
    entry_.SetPhase(ConnectionList::Phase::kBody);
    const bool read = co_await Read(missing);
    entry_.SetPhase(ConnectionList::Phase::kBusy);
    pace_.Count(MonotonicMs() - start_ms, in_.view().size() - had);
    co_return read;
  }

  // Whether there is room for this connection to hold so much; otherwise it
  // must give it up.
  bool Hold(size_t bytes) {
    return held_.Resize(bytes <= limits::kHttpSmallBytesMax ? 0 : bytes);
  }
  bool HoldBody() { return Hold(parser_.body().capacity()); }

  void DropBody() {
    if (parser_.body().capacity() > limits::kHttpSmallBytesMax) {
      std::string().swap(parser_.body());
    }
    Hold(0);
  }

  // Sends an answer that was known before the body had come, without waiting
  // for it: who sends none may not hold what answers. Then reads past the body
  // if that is short, so that the connection can go on.
  asio::awaitable<bool> SendEarly(HttpReply& reply) {
    if (parser_.state() == HttpParser::State::kDone) {
      co_return co_await Send(reply);
    }
    DropBody();
    if (parser_.expects_continue() ||
        parser_.head().content_length.value_or(0) >
            limits::kHttpDrainBytesMax) {
      co_await Write(reply, /*keep_alive=*/false);
      co_return false;
    }
    const bool next = co_await Send(reply);
    if (!next) co_return false;
    pace_ = BodyPace();
    while (parser_.state() == HttpParser::State::kBody &&
           parser_.body_bytes() <= limits::kHttpDrainBytesMax) {
      const bool read = co_await ReadBody(/*answered=*/true);
      if (!read) co_return false;
      parser_.body().clear();
    }
    co_return parser_.state() == HttpParser::State::kDone;
  }

  asio::awaitable<bool> Send(HttpReply& reply) {
    const bool keep_alive = parser_.keep_alive() && !entry_.stopping();
    const bool written = co_await Write(reply, keep_alive);
    co_return written && keep_alive;
  }

  // Writes an answer; false if that did not work.
  asio::awaitable<bool> Write(HttpReply& reply, bool keep_alive) {
    DropBody();
    if (!Hold(reply.body.size())) reply = BusyReply();
    const RequestHead& head = parser_.head();
    const bool body_less = head.method == "HEAD" || reply.status == 204 ||
                           reply.status == 304;
    Framing framing = Framing::kLength;
    int64_t content_bytes = reply.body.size();
    if (reply.source != nullptr) {
      content_bytes = reply.source_bytes.value_or(0);
      if (!reply.source_bytes.has_value()) {
        framing = parser_.takes_chunks() ? Framing::kChunked
                                         : Framing::kUntilClose;
      }
    }
    std::string common;
    shared_.front->AppendCommonHeaders(head, &common);
    StrAppend(&common, "X-Request-Id: ", request_id_, "\r\n");
    out_.clear();
    WriteReplyHead(reply, common, framing, content_bytes, keep_alive, &out_);
    entry_.SetDeadline(MonotonicMs() + limits::kHttpWriteMsMax +
                       static_cast<int64_t>(reply.body.size()) * 1000 /
                           limits::kHttpBodyBytesPerSecondMin);
    asio::const_buffer body = asio::buffer(reply.body);
    if (body_less || reply.source != nullptr) body = asio::const_buffer();
    const bool begun = co_await WriteAll(asio::buffer(out_), body);
    if (!is_probe_) {
      shared_.notes.Note(head, reply.status, content_bytes, begun_,
                         peer_, request_id_);
    }
    if (!begun) co_return false;
    if (!body_less && reply.source != nullptr) {
      const bool sent =
          co_await WriteSource(*reply.source, framing, content_bytes);
      if (!sent) {
        lost_ = true;
        co_return false;
      }
    }
    Hold(0);
    entry_.SetPhase(ConnectionList::Phase::kIdle);
    co_return true;
  }

  // Writes what `source` gives; false if either side failed.
  asio::awaitable<bool> WriteSource(ByteSource& source, Framing framing,
                                    int64_t content_bytes) {
    const bool chunked = framing == Framing::kChunked;
    const bool sized = framing == Framing::kLength;
    std::vector<char> chunk(
        !sized ? limits::kTransferChunkBytes
               : std::min<int64_t>(limits::kTransferChunkBytes,
                                    std::max<int64_t>(content_bytes, 1)));
    int64_t left = content_bytes;
    while (!sized || left > 0) {
      size_t count = 0;
      {
        const bool taken = co_await TakeTransferSlots(/*begun=*/true);
        if (!taken) co_return false;
        HeldSlot slot(shared_.slots);
        HeldSlot transfer_slot(shared_.transfer_slots);
        const size_t wanted =
            !sized ? chunk.size() : std::min<int64_t>(chunk.size(), left);
        const absl::StatusOr<size_t> read =
            source.Read(std::span(chunk.data(), wanted));
        if (!read.ok()) {
          LogError("A download broke off: ", read.status().ToString());
          co_return false;
        }
        count = *read;
      }
      // The end, but for the last chunk; too early if the size was told.
      if (count == 0 && !chunked) co_return !sized;
      entry_.SetDeadline(MonotonicMs() + limits::kHttpWriteMsMax);
      if (chunked) {
        std::array<char, 24> size;
        const int digits =
            std::snprintf(size.data(), size.size(), "%zx\r\n", count);
        const bool sent =
            co_await WriteAll(asio::buffer(size.data(), digits),
                              asio::buffer(chunk.data(), count));
        if (!sent) co_return false;
        const bool ended = co_await WriteAll(asio::buffer("\r\n", 2));
        if (!ended) co_return false;
        if (count == 0) co_return true;
      } else {
        left -= count;
        const bool sent = co_await WriteAll(asio::buffer(chunk.data(), count));
        if (!sent) co_return false;
      }
    }
    co_return true;
  }

  asio::awaitable<bool> WriteAll(asio::const_buffer first,
                                 asio::const_buffer second = {}) {
    std::array<asio::const_buffer, 2> buffers = {first, second};
    if (tls_.has_value()) {
      const auto [broken, count] =
          co_await asio::async_write(*tls_, buffers, kAwait);
      if (broken) lost_ = true;
      co_return !broken;
    }
    // Most answers fit into the socket's buffer; through the scheduler their
    // end would wake another thread.
    boost::system::error_code failed;
    size_t written = socket_.write_some(buffers, failed);
    if (!failed && written == first.size() + second.size()) co_return true;
    for (asio::const_buffer& buffer : buffers) {
      const size_t done = std::min(written, buffer.size());
      buffer += done;
      written -= done;
    }
    const auto [error, count] =
        co_await asio::async_write(socket_, buffers, kAwait);
    if (error) lost_ = true;
    co_return !error;
  }

  // Ends the connection so that the caller gets what was written: closing
  // with unread bytes would take it away.
  Task Linger() {
    if (lost_) co_return;
    boost::system::error_code ignored;
    entry_.SetDeadline(MonotonicMs() + kLingerMs);
    if (tls_.has_value()) {
      // Says that this is all; what the caller says to it does not matter.
      co_await tls_->async_shutdown(kAwait);
    }
    socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    size_t read = 0;
    std::vector<char> waste(kWasteBytes);
    while (read < limits::kHttpDrainBytesMax) {
      const auto [error, count] = co_await socket_.async_read_some(
          asio::buffer(waste), kAwait);
      if (error || count == 0) co_return;
      read += count;
    }
  }

  static constexpr int64_t kLingerMs = 2'000;

  const SessionShared& shared_;
  Tcp::socket socket_;
  // What goes through it, if that is encrypted.
  std::optional<asio::ssl::stream<Tcp::socket&>> tls_;
  // Too many connections: this one is not served.
  bool full_ = false;
  ConnectionList::Entry entry_;
  // Of the memory that all connections share.
  MemoryBudget::Share held_;
  HttpParser parser_;
  // Of the request being served: when its head had come, its name, and
  // whether it is one that nobody counts.
  std::chrono::steady_clock::time_point begun_;
  std::string request_id_;
  std::string peer_;  // Who sent it, first of all.
  bool is_probe_ = false;
  InBuffer in_;
  // Head of the answer being written.
  std::string out_;
  BodyPace pace_;
  // The connection no longer takes bytes.
  bool lost_ = false;
};

Task RunSession(const SessionShared& shared, Tcp::socket socket) {
  try {
    Session session(shared, std::move(socket));
    co_await session.Run();
  } catch (const std::exception& error) {
    LogError("A connection failed: ", error.what());
  }
}

}  // namespace

void StartHttpSession(const SessionShared& shared, int socket) {
  try {
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
    boost::system::error_code error;
    Tcp::socket taken(*shared.io_context);
    taken.assign(address.ss_family == AF_INET6 ? Tcp::v6() : Tcp::v4(), socket,
                 error);
    if (error) {
      close(socket);
      return;
    }
    taken.non_blocking(true, error);  // of what is not asynchronous
    if (error) return;
    asio::co_spawn(*shared.io_context, RunSession(shared, std::move(taken)),
                   asio::detached);
  } catch (const std::exception& error) {
    LogError("A connection could not be taken: ", error.what());
  }
}

}  // namespace millstream::gateway
