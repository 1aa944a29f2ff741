#include "aws/http_client.h"

#include <string>
#include <thread>
#include <vector>

#include "aws/testing/scripted_server.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::aws {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpClientTest : public ::testing::Test {
 protected:
  HttpRequest Request(std::string method = "GET", std::string path = "/") {
    const auto endpoint = Endpoint::Parse(server_.url());
    HttpRequest request;
    request.method = std::move(method);
    request.scheme = endpoint->scheme;
    request.host = endpoint->host;
    request.path = std::move(path);
    request.direct = true;
    return request;
  }

  testing::ScriptedServer server_;
  HttpClient client_{{}};
};

TEST_F(HttpClientTest, TellsStatusHeadersAndBody) {
  server_.Answer(404, "gone", "X-Name:  a: b \r\n");
  const auto response = client_.Send(Request(), 100);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body, "gone");
  EXPECT_EQ(response->Header("x-name"), "a: b");
  EXPECT_EQ(response->Header("x-other"), "");
}

TEST_F(HttpClientTest, SendsPathAndQueryAsTheyAre) {
  server_.Answer(200, "");
  HttpRequest request = Request("GET", "/a/../b/./%2F%20c");
  request.query = {{"a b", "c&d=\xC3\xBC"}, {"empty", ""}};
  ASSERT_TRUE(client_.Send(request, 100).ok());
  EXPECT_THAT(server_.requests()[0],
              StartsWith("GET /a/../b/./%2F%20c?a%20b=c%26d%3D%C3%BC&empty= "
                         "HTTP/1.1\r\n"));
}

TEST_F(HttpClientTest, SendsBodies) {
  server_.Answer(200, "");
  server_.Answer(200, "");
  server_.Answer(200, "");
  TextBody body(std::string(2'000'000, 'x'));
  HttpRequest put = Request("PUT");
  put.body = &body;
  ASSERT_TRUE(client_.Send(put, 100).ok());
  ASSERT_TRUE(client_.Send(Request("POST"), 100).ok());
  ASSERT_TRUE(client_.Send(Request("DELETE"), 100).ok());
  const auto requests = server_.requests();
  EXPECT_THAT(requests[0], HasSubstr("Content-Length: 2000000\r\n"));
  EXPECT_THAT(requests[0], ::testing::EndsWith(body.text()));
  EXPECT_THAT(requests[1], HasSubstr("Content-Length: 0\r\n"));
  EXPECT_THAT(requests[2], StartsWith("DELETE / "));
}

TEST_F(HttpClientTest, ReadsAnAnswerAsItIsAskedFor) {
  std::string body;
  for (int i = 0; body.size() < 3'000'000; ++i) body += std::to_string(i);
  server_.Answer(200, body);
  const auto stream = client_.Open(Request());
  ASSERT_TRUE(stream.ok()) << stream.status();
  std::string read;
  std::vector<char> buffer(70'001);
  for (;;) {
    const auto count = (*stream)->Read(buffer);
    ASSERT_TRUE(count.ok()) << count.status();
    if (*count == 0) break;
    read.append(buffer.data(), *count);
  }
  EXPECT_EQ(read, body);
}

TEST_F(HttpClientTest, KeepsTheConnection) {
  for (int i = 0; i < 3; ++i) {
    server_.Answer(200, "answer");
    // The server takes one connection at a time: another would wait.
    ASSERT_TRUE(client_.Send(Request(), 100).ok());
  }
  EXPECT_EQ(server_.requests().size(), 3u);
}

TEST_F(HttpClientTest, ABodyThatBreaksOffIsNoEnd) {
  server_.Answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  const auto stream = client_.Open(Request());
  ASSERT_TRUE(stream.ok()) << stream.status();
  std::vector<char> buffer(10);
  absl::StatusOr<size_t> count = (*stream)->Read(buffer);
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(std::string(buffer.data(), *count), "half");
  count = (*stream)->Read(buffer);
  EXPECT_TRUE(absl::IsUnavailable(count.status()));
  EXPECT_TRUE(absl::IsUnavailable((*stream)->Read(buffer).status()));
}

TEST_F(HttpClientTest, NobodyThereIsUnavailable) {
  server_.Answer("");
  EXPECT_TRUE(absl::IsUnavailable(client_.Send(Request(), 100).status()));
  HttpRequest nowhere = Request();
  nowhere.host = "127.0.0.1:1";
  EXPECT_TRUE(absl::IsUnavailable(client_.Send(nowhere, 100).status()));
}

TEST_F(HttpClientTest, SilenceIsUnavailable) {
  testing::ScriptedServer silent;  // takes one connection at a time
  HttpRequest request = Request();
  request.host = silent.url().substr(7);
  silent.Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const auto first = client_.Open(request);
  ASSERT_TRUE(first.ok());
  request.idle_ms_max = 50;
  EXPECT_TRUE(absl::IsUnavailable(client_.Send(request, 100).status()));
}

TEST_F(HttpClientTest, RefusesWhatIsTooLarge) {
  server_.Answer(200, std::string(101, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(client_.Send(Request(), 100).status()));
  server_.Answer(200, "", "X-Large: " + std::string(70'000, 'x') + "\r\n");
  EXPECT_FALSE(client_.Send(Request(), 100).ok());
}

TEST_F(HttpClientTest, DropsAnAnswerHalfway) {
  server_.Answer(200, std::string(20 * limits::kHttpClientBufferBytes, 'x'));
  server_.Answer(200, "next");
  ASSERT_TRUE(client_.Open(Request()).ok());
  const auto next = client_.Send(Request(), 100);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->body, "next");
}

TEST_F(HttpClientTest, ConnectionsAreLimited) {
  // Those beyond the limit wait; those kept are fewer than all.
  EXPECT_LT(limits::kHttpClientIdleMax, limits::kHttpClientConnectionsMax);
}

}  // namespace
}  // namespace millstream::aws
