#include "gateway/http_parser.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "boost/beast/http/parser.hpp"
#include "gateway/url.h"

namespace millstream::gateway {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

// At most this much is set aside on the word of a Content-Length.
constexpr uint64_t kReserveBytesMax = 256 * 1024;

// Collects a body in a string that its reader empties as it likes.
struct TakenBody {
  struct value_type {
    std::string bytes;
    size_t total = 0;
  };

  class reader {
   public:
    template <bool kRequest, class Fields>
    reader(http::header<kRequest, Fields>&, value_type& body) : body_(body) {}

    void init(const boost::optional<uint64_t>& length, beast::error_code& ec) {
      if (length.has_value()) {
        body_.bytes.reserve(std::min(*length, kReserveBytesMax) +
                            kPaddingBytes);
      }
      ec = {};
    }
    template <class Buffers>
    size_t put(const Buffers& buffers, beast::error_code& ec) {
      ec = {};
      size_t taken = 0;
      for (auto at = boost::asio::buffer_sequence_begin(buffers);
           at != boost::asio::buffer_sequence_end(buffers); ++at) {
        const boost::asio::const_buffer buffer(*at);
        body_.bytes.append(static_cast<const char*>(buffer.data()),
                           buffer.size());
        taken += buffer.size();
      }
      body_.total += taken;
      return taken;
    }
    void finish(beast::error_code& ec) { ec = {}; }

   private:
    // What the JSON reader asks for behind its text.
    static constexpr size_t kPaddingBytes = 64;
    value_type& body_;
  };
};

std::string_view View(beast::string_view text) {
  return std::string_view(text.data(), text.size());
}

bool Same(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase(AbslView(a), AbslView(b));
}

bool IsNumber(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

int StatusOfError(const beast::error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::bad_version) return 505;
  if (error == http::error::body_limit) return 413;
  return 400;
}

}  // namespace

struct HttpParser::Impl {
  std::optional<http::request_parser<TakenBody>> parser;

  void Renew() {
    parser.emplace();
    parser->header_limit(limits::kHttpHeaderBytesMax);
    // Whoever reads the body minds its size.
    parser->body_limit(boost::none);
  }
};

HttpParser::HttpParser(std::string peer)
    : impl_(std::make_unique<Impl>()), peer_(std::move(peer)) {
  impl_->Renew();
}

HttpParser::~HttpParser() = default;

void HttpParser::Fail(int status, std::string message) {
  fault_ = HttpFault{status, std::move(message)};
  keep_alive_ = false;
}

std::string& HttpParser::body() { return impl_->parser->get().body().bytes; }

size_t HttpParser::body_bytes() const {
  return impl_->parser->get().body().total;
}

void HttpParser::Next() {
  state_ = State::kHead;
  head_ = RequestHead();
  expects_continue_ = false;
  keep_alive_ = false;
  takes_chunks_ = false;
  impl_->Renew();
}

size_t HttpParser::Feed(std::string_view bytes) {
  if (fault_.has_value() || state_ == State::kDone) return 0;
  http::request_parser<TakenBody>& parser = *impl_->parser;
  size_t used = 0;
  while (used < bytes.size() && state_ != State::kDone) {
    beast::error_code error;
    const size_t step = parser.put(
        boost::asio::const_buffer(bytes.data() + used, bytes.size() - used),
        error);
    used += step;
    if (error == http::error::need_more) {
      // Beast takes a head in one piece, and finds its limit only then. For
      // the line before a chunk and for trailers it has none.
      if (bytes.size() - used > limits::kHttpHeaderBytesMax) {
        Fail(431, state_ == State::kHead
                      ? "The request's head is too long."
                      : "A chunk's first line or the trailer is too long.");
      }
      return used;
    }
    if (error) {
      Fail(StatusOfError(error),
           StrCat("The request is no HTTP: ", error.message(), "."));
      return used;
    }
    if (state_ == State::kHead) {
      if (!parser.is_header_done()) return used;
      ReadHead();
      if (fault_.has_value()) return used;
      state_ = parser.is_done() ? State::kDone : State::kBody;
      parser.eager(true);
      return used;
    }
    if (parser.is_done()) state_ = State::kDone;
  }
  return used;
}

void HttpParser::ReadHead() {
  http::request_parser<TakenBody>& parser = *impl_->parser;
  const auto& message = parser.get();
  takes_chunks_ = message.version() == 11;
  // Who speaks HTTP/1.0 takes the end of the connection for that of an answer.
  keep_alive_ = takes_chunks_ && parser.keep_alive();
  if (message.version() != 11 && message.version() != 10) {
    return Fail(505, "This server speaks HTTP/1.1.");
  }
  int hosts = 0;
  int codings = 0;
  int lengths = 0;
  for (const auto& field : message) {
    const std::string_view name = View(field.name_string());
    const std::string_view value = View(field.value());
    head_.headers.emplace_back(name, value);
    if (field.name() == http::field::host) ++hosts;
    if (field.name() == http::field::transfer_encoding) {
      ++codings;
      if (!Same(value, "chunked")) {
        return Fail(501, "Bodies are taken plain or chunked, not in other "
                         "transfer codings.");
      }
    }
    if (field.name() == http::field::content_length &&
        (++lengths > 1 || !IsNumber(value))) {
      return Fail(400, "The body's length is not clear.");
    }
    if (field.name() == http::field::expect) {
      if (!Same(value, "100-continue")) {
        return Fail(417, "Nothing can be expected but 100-continue.");
      }
      expects_continue_ = message.version() == 11;
    }
  }
  if (hosts > 1 || (hosts == 0 && message.version() == 11)) {
    return Fail(400, "A request has one Host header.");
  }
  if (codings > 1 || (codings == 1 && message.version() == 10)) {
    return Fail(400, "The transfer coding is not clear.");
  }
  if (const auto length = parser.content_length(); length.has_value()) {
    head_.content_length = *length;
  }
  head_.method = View(message.method_string());
  head_.peer = peer_;
  std::string_view target = View(message.target());
  if (const size_t scheme = target.find("://");
      !target.empty() && target[0] != '/' &&
      scheme != std::string_view::npos) {
    // As proxies are asked; only the path concerns us.
    target.remove_prefix(scheme + 3);
    target.remove_prefix(std::min(target.find('/'), target.size()));
  }
  if (target.empty() || target[0] != '/') {
    return Fail(400, "The request's path does not start with \"/\".");
  }
  const size_t question = std::min(target.find('?'), target.size());
  head_.raw_path = target.substr(0, question);
  head_.query = target.substr(std::min(question + 1, target.size()));
  head_.path = PercentDecode(head_.raw_path, Plus::kIsPlus);
}

}  // namespace millstream::gateway
