#include "aws/testing/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "base/str_cat.h"
#include "gtest/gtest.h"

namespace millstream::aws::testing {
namespace {

// The Content-Length of a head; 0 if it has none.
size_t LengthOf(std::string head) {
  std::transform(head.begin(), head.end(), head.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  const size_t at = head.find("content-length:");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 15));
}

}  // namespace

ScriptedServer::ScriptedServer() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(listen(listener_, 16), 0);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

ScriptedServer::~ScriptedServer() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    if (connection_ >= 0) shutdown(connection_, SHUT_RDWR);
    shutdown(listener_, SHUT_RDWR);
  }
  thread_.join();
  close(listener_);
}

std::string ScriptedServer::url() const {
  return StrCat("http://127.0.0.1:", port_);
}

void ScriptedServer::Answer(std::string text) {
  absl::MutexLock lock(&mutex_);
  answers_.push_back(std::move(text));
}

void ScriptedServer::Answer(int status, std::string_view body,
                            std::string_view headers) {
  Answer(StrCat("HTTP/1.1 ", status, " Status\r\nContent-Length: ", body.size(),
                "\r\n", headers, "\r\n", body));
}

std::vector<std::string> ScriptedServer::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

void ScriptedServer::Serve() {
  for (;;) {
    const int connection = accept(listener_, nullptr, nullptr);
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) {
        if (connection >= 0) close(connection);
        return;
      }
      connection_ = connection;
    }
    while (ServeOne(connection)) {
    }
    absl::MutexLock lock(&mutex_);
    connection_ = -1;
    close(connection);
  }
}

bool ScriptedServer::ServeOne(int connection) {
  std::string request;
  char buffer[16384];
  size_t wanted = std::string::npos;
  while (request.size() < wanted) {
    const ssize_t count = recv(connection, buffer, sizeof(buffer), 0);
    if (count <= 0) return false;
    request.append(buffer, count);
    const size_t end = request.find("\r\n\r\n");
    if (end != std::string::npos && wanted == std::string::npos) {
      wanted = end + 4 + LengthOf(request.substr(0, end));
      if (request.find("100-continue") != std::string::npos) {
        constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
        send(connection, kGoOn.data(), kGoOn.size(), MSG_NOSIGNAL);
      }
    }
  }
  absl::MutexLock lock(&mutex_);
  requests_.push_back(std::move(request));
  if (answers_.empty()) return false;
  const std::string answer = std::move(answers_.front());
  answers_.pop_front();
  send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
  const size_t end = answer.find("\r\n\r\n");
  return end != std::string::npos &&
         answer.size() - end - 4 >= LengthOf(answer.substr(0, end)) &&
         answer.find("Connection: close") == std::string::npos;
}

}  // namespace millstream::aws::testing
