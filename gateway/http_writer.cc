#include "gateway/http_writer.h"

#include <ctime>

#include "base/clock.h"
#include "base/str_cat.h"

namespace millstream::gateway {
namespace {

// The Date line, made once a second.
std::string_view DateLine() {
  thread_local int64_t second = -1;
  thread_local std::string line;
  const int64_t now_ms = Clock::System().NowMs();
  if (now_ms / 1000 != second) {
    second = now_ms / 1000;
    line = StrCat("Date: ", HttpDate(now_ms), "\r\n");
  }
  return line;
}

void AppendHeader(std::string_view name, std::string_view value,
                  std::string* out) {
  out->append(name);
  out->append(": ");
  if (value.find_first_of(std::string_view("\r\n\0", 3)) ==
      std::string_view::npos) {
    out->append(value);
  } else {
    for (const char c : value) {
      if (c != '\r' && c != '\n' && c != '\0') out->push_back(c);
    }
  }
  out->append("\r\n");
}

}  // namespace

std::string HttpDate(int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm parts;
  gmtime_r(&seconds, &parts);
  char text[64];
  // The C locale's names: the server sets no other.
  const size_t length =
      std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return std::string(text, length);
}

std::optional<int64_t> ParseHttpDate(std::string_view text) {
  std::tm parts{};
  const std::string terminated(text);
  const char* end =
      strptime(terminated.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return static_cast<int64_t>(timegm(&parts)) * 1000;
}

void WriteReplyHead(const HttpReply& reply, std::string_view common_lines,
                    Framing framing, int64_t content_bytes, bool keep_alive,
                    std::string* out) {
  StrAppend(out, "HTTP/1.1 ", reply.status, " ", ReasonOf(reply.status),
            "\r\n");
  if (!reply.content_type.empty()) {
    AppendHeader("Content-Type", reply.content_type, out);
  }
  if (reply.status != 204 && reply.status != 304) {
    if (framing == Framing::kLength) {
      StrAppend(out, "Content-Length: ", content_bytes, "\r\n");
    } else if (framing == Framing::kChunked) {
      out->append("Transfer-Encoding: chunked\r\n");
    }
  }
  for (const auto& [name, value] : reply.headers) {
    AppendHeader(name, value, out);
  }
  out->append(common_lines);
  out->append(DateLine());
  if (!keep_alive) out->append("Connection: close\r\n");
  out->append("\r\n");
}

}  // namespace millstream::gateway
