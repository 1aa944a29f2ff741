#include "gateway/testing/wire_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/str_cat.h"

namespace millstream::gateway {

WireClient::WireClient(uint16_t port) {
  socket_ = socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<sockaddr*>(&address),
              sizeof(address)) != 0) {
    close(socket_);
    socket_ = -1;
  }
}

WireClient::~WireClient() {
  if (socket_ >= 0) close(socket_);
}

bool WireClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent =
        send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(sent);
  }
  return true;
}

void WireClient::FinishSending() { shutdown(socket_, SHUT_WR); }

bool WireClient::Fill() {
  char buffer[65536];
  const ssize_t count = recv(socket_, buffer, sizeof(buffer), 0);
  if (count <= 0) return false;
  unread_.append(buffer, count);
  return true;
}

bool WireClient::AtEnd() { return unread_.empty() && !Fill(); }

std::string WireClient::Rest() {
  while (Fill()) {
  }
  return std::move(unread_);
}

std::string WireClient::TakeLine() {
  size_t end;
  while ((end = unread_.find("\r\n")) == std::string::npos) {
    if (!Fill()) return "";
  }
  std::string line = unread_.substr(0, end);
  unread_.erase(0, end + 2);
  return line;
}

std::string WireClient::TakeBytes(size_t count) {
  while (unread_.size() < count && Fill()) {
  }
  std::string bytes = unread_.substr(0, count);
  unread_.erase(0, bytes.size());
  return bytes;
}

WireReply WireClient::Receive(std::string_view method) {
  WireReply reply;
  const std::string status_line = TakeLine();
  if (!absl::StartsWith(status_line, "HTTP/1.1 ")) return reply;
  reply.status = std::atoi(status_line.c_str() + 9);
  for (std::string line = TakeLine(); !line.empty(); line = TakeLine()) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) return WireReply();
    reply.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
        line.substr(colon + 2);
  }
  if (method == "HEAD" || reply.status == 204 || reply.status == 304 ||
      reply.status == 100) {
    return reply;
  }
  if (reply.headers.count("transfer-encoding") > 0) {
    while (const size_t size = std::strtoul(TakeLine().c_str(), nullptr, 16)) {
      reply.body += TakeBytes(size);
      TakeLine();
    }
    TakeLine();
  } else if (const auto length = reply.headers.find("content-length");
             length != reply.headers.end()) {
    reply.body = TakeBytes(std::strtoul(length->second.c_str(), nullptr, 10));
  }
  return reply;
}

WireReply WireClient::Ask(std::string_view method, std::string_view target,
                          std::string_view body, std::string_view headers) {
  std::string request = StrCat(method, " ", target, " HTTP/1.1\r\n");
  if (headers.find("Host:") == std::string_view::npos) {
    request += "Host: localhost\r\n";
  }
  StrAppend(&request, headers);
  if (!body.empty() || method == "POST" || method == "PUT") {
    StrAppend(&request, "Content-Length: ", body.size(), "\r\n");
    if (headers.find("Content-Type:") == std::string_view::npos) {
      request += "Content-Type: application/json\r\n";
    }
  }
  StrAppend(&request, "\r\n", body);
  if (!Send(request)) return WireReply();
  return Receive(method);
}

}  // namespace millstream::gateway
