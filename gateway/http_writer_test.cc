#include "gateway/http_writer.h"

#include <string>

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

TEST(HttpWriter, WritesAHead) {
  HttpReply reply = TextReply(200, "x");
  reply.AddHeader("ETag", "\"1\"");
  std::string head;
  WriteReplyHead(reply, "Vary: Origin\r\n", Framing::kLength, 1, false, &head);
  const size_t date = head.find("Date: ");
  ASSERT_NE(date, std::string::npos);
  EXPECT_EQ(head.substr(0, date),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 1\r\nETag: \"1\"\r\nVary: Origin\r\n");
  EXPECT_NE(head.find("GMT\r\nConnection: close\r\n\r\n"), std::string::npos);
}

TEST(HttpWriter, HeadersCannotBeSplit) {
  HttpReply reply;
  reply.AddHeader("X", "a\r\nSet-Cookie: b");
  std::string head;
  WriteReplyHead(reply, "", Framing::kChunked, 0, true, &head);
  EXPECT_NE(head.find("X: aSet-Cookie: b\r\n"), std::string::npos);
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(head.find("Connection"), std::string::npos);
}

TEST(HttpWriter, NoContentHasNoLength) {
  HttpReply reply;
  reply.status = 204;
  std::string head;
  WriteReplyHead(reply, "", Framing::kLength, 0, true, &head);
  EXPECT_EQ(head.find("Content-Length"), std::string::npos);
}

TEST(HttpWriter, DatesReadBackTheSame) {
  EXPECT_EQ(HttpDate(784111777000), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777000);
  EXPECT_EQ(ParseHttpDate("yesterday"), std::nullopt);
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT+1"), std::nullopt);
}

TEST(HttpWriter, ErrorPagesEscapeTheirText) {
  EXPECT_NE(HtmlError(404, "<b>&").body.find("&lt;b&gt;&amp;"),
            std::string::npos);
}

}  // namespace
}  // namespace millstream::gateway
