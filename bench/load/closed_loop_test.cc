#include "bench/load/closed_loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace millstream::bench {
namespace {

// Answers `answers` in turn, one per request that ends in an empty line, each
// connection from the next of them on; closes where an answer is empty.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers)
      : answers_(std::move(answers)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in where = {};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_, reinterpret_cast<sockaddr*>(&where), sizeof(where));
    listen(listener_, 8);
    socklen_t size = sizeof(where);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size);
    address_ = {"127.0.0.1", ntohs(where.sin_port)};
    thread_ = std::thread([this] { Serve(); });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  const Address& address() const { return address_; }

 private:
  void Serve() {
    while (true) {
      int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      std::string seen;
      char c;
      while (recv(fd, &c, 1, 0) == 1) {
        seen.push_back(c);
        if (!seen.ends_with("\r\n\r\n")) continue;
        seen.clear();
        std::string answer = answers_[std::min(at_, answers_.size() - 1)];
        ++at_;
        if (answer.empty()) break;
        send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
      close(fd);
    }
  }

  const std::vector<std::string> answers_;
  size_t at_ = 0;
  int listener_ = -1;
  Address address_;
  std::thread thread_;
};

const char kGood[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const char kClosing[] =
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
const char kBad[] = "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno";

// Sends `count` requests.
class CountingClient : public Client {
 public:
  explicit CountingClient(int count) : left_(count) {}
  bool Next(bool time_is_up, Request* request) override {
    if (left_ == 0 || time_is_up) return false;
    --left_;
    request->bytes = "GET / HTTP/1.1\r\n\r\n";
    return true;
  }
  absl::Status OnAnswer(const Answer& answer) override {
    if (answer.status != 200) return absl::InternalError("not 200");
    ++units_;
    return absl::OkStatus();
  }
  uint64_t units() const override { return units_; }

 private:
  int left_;
  uint64_t units_ = 0;
};

LoopResult RunOne(const Address& address, int count) {
  std::vector<std::unique_ptr<Client>> clients;
  clients.push_back(std::make_unique<CountingClient>(count));
  absl::StatusOr<LoopResult> result = RunClosedLoop(address, clients, 0);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : LoopResult();
}

TEST(ClosedLoopTest, CountsEachAnswerOnce) {
  ScriptedServer server({kGood});
  LoopResult result = RunOne(server.address(), 50);
  EXPECT_EQ(result.units, 50u);
  EXPECT_EQ(result.requests, 50u);
  EXPECT_EQ(result.latencies_us.size(), 50u);
  EXPECT_EQ(result.errors, 0u);
}

TEST(ClosedLoopTest, CountsABadStatusAsError) {
  ScriptedServer server({kGood, kBad, kGood});
  LoopResult result = RunOne(server.address(), 3);
  EXPECT_EQ(result.units, 2u);
  EXPECT_EQ(result.errors, 1u);
  EXPECT_EQ(result.first_error, "not 200");
}

TEST(ClosedLoopTest, ConnectsAnewWhenTheServerCloses) {
  ScriptedServer server({kClosing, kClosing, kGood});
  LoopResult result = RunOne(server.address(), 3);
  EXPECT_EQ(result.units, 3u);
  EXPECT_EQ(result.errors, 0u);
}

TEST(ClosedLoopTest, TriesOnceMoreWhenAnIdleConnectionWasClosed) {
  ScriptedServer server({kGood, "", kGood});
  LoopResult result = RunOne(server.address(), 2);
  EXPECT_EQ(result.units, 2u);
  EXPECT_EQ(result.errors, 0u);
}

TEST(ClosedLoopTest, AServerThatNeverAnswersIsAnError) {
  ScriptedServer server({""});
  LoopResult result = RunOne(server.address(), 1);
  EXPECT_EQ(result.units, 0u);
  EXPECT_EQ(result.errors, 1u);
}

TEST(ClosedLoopTest, GivesUpAfterTooManyErrors) {
  ScriptedServer server({kBad});
  LoopResult result = RunOne(server.address(), 1000);
  EXPECT_EQ(result.errors, kMaxErrors);
}

TEST(AddressTest, ReadsAUrl) {
  absl::StatusOr<Address> address = ParseUrl("http://localhost:5000/");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->host, "127.0.0.1");
  EXPECT_EQ(address->port, 5000);
}

TEST(AddressTest, RefusesWhatIsNoUrl) {
  for (absl::string_view url : {"", "127.0.0.1:1", "http://127.0.0.1",
                               "http://127.0.0.1:0", "http://x y:80",
                               "https://127.0.0.1:1"}) {
    EXPECT_FALSE(ParseUrl(url).ok()) << url;
  }
}

}  // namespace
}  // namespace millstream::bench
