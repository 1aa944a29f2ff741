#include "gateway/http_parser.h"

#include <string>

#include "base/limits.h"
#include "base/str_cat.h"
#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

using State = HttpParser::State;

// Feeds all of `bytes`, `step` at a time, as a connection would; returns what
// was left.
std::string FeedAll(HttpParser& parser, std::string_view bytes,
                    size_t step = 1'000'000) {
  std::string waiting;
  while (!bytes.empty() && parser.state() != State::kDone &&
         !parser.fault().has_value()) {
    waiting.append(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    for (size_t used = 1; used > 0 && !waiting.empty();) {
      used = parser.Feed(waiting);
      waiting.erase(0, used);
      if (parser.state() == State::kDone) break;
    }
  }
  return waiting + std::string(bytes);
}

int FaultOf(std::string_view bytes) {
  HttpParser parser("test");
  FeedAll(parser, bytes);
  return parser.fault().has_value() ? parser.fault()->status : 0;
}

TEST(HttpParser, ReadsHeadAndBody) {
  for (const size_t step : {1, 7, 1000}) {
    HttpParser parser("1.2.3.4:5");
    EXPECT_EQ(FeedAll(parser,
                      "POST /a%20b?x=1&y HTTP/1.1\r\nHost: h\r\n"
                      "Content-Length: 5\r\nX-Y:  z \r\n\r\nhelloGET",
                      step)
                  .substr(0, 0),
              "");
    ASSERT_EQ(parser.state(), State::kDone) << parser.fault()->message;
    EXPECT_EQ(parser.head().method, "POST");
    EXPECT_EQ(parser.head().raw_path, "/a%20b");
    EXPECT_EQ(parser.head().path, "/a b");
    EXPECT_EQ(parser.head().query, "x=1&y");
    EXPECT_EQ(parser.head().Header("x-y"), "z");
    EXPECT_EQ(parser.head().peer, "1.2.3.4:5");
    EXPECT_EQ(parser.body(), "hello");
    EXPECT_TRUE(parser.keep_alive());
  }
}

TEST(HttpParser, ReadsChunkedBodies) {
  for (const size_t step : {1, 3, 1000}) {
    HttpParser parser("test");
    FeedAll(parser,
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3;ext=1\r\nabc\r\n5\r\ndefgh\r\n0\r\nTrailer: x\r\n\r\n",
            step);
    ASSERT_EQ(parser.state(), State::kDone);
    EXPECT_EQ(parser.body(), "abcdefgh");
    EXPECT_EQ(parser.body_bytes(), 8u);
    EXPECT_FALSE(parser.head().content_length.has_value());
  }
}

TEST(HttpParser, StopsAtTheEndOfARequest) {
  HttpParser parser("test");
  std::string rest = FeedAll(parser,
                             "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
                             "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(parser.state(), State::kDone);
  EXPECT_EQ(parser.head().path, "/1");
  parser.Next();
  EXPECT_EQ(FeedAll(parser, rest), "");
  ASSERT_EQ(parser.state(), State::kDone);
  EXPECT_EQ(parser.head().path, "/2");
}

TEST(HttpParser, TwoLengthsAreRefused) {
  EXPECT_EQ(FaultOf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400);
  EXPECT_EQ(FaultOf("POST / HTTP/1.1\r\nHost: h\r\n"
                    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
            400);
  EXPECT_EQ(FaultOf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                    "Content-Length: 6\r\n\r\nhello"),
            400);
  EXPECT_EQ(FaultOf("POST / HTTP/1.1\r\nHost: h\r\n"
                    "Content-Length: 5, 5\r\n\r\nhello"),
            400);
}

TEST(HttpParser, OtherCodingsAreRefused) {
  EXPECT_EQ(FaultOf("POST / HTTP/1.1\r\nHost: h\r\n"
                    "Transfer-Encoding: gzip, chunked\r\n\r\n"),
            501);
  EXPECT_NE(FaultOf("POST / HTTP/1.1\r\nHost: h\r\n"
                    "Transfer-Encoding: \x0b" "chunked\r\n\r\n"),
            0);
  EXPECT_EQ(FaultOf("POST / HTTP/1.0\r\nHost: h\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n"),
            400);
}

TEST(HttpParser, ARequestHasOneHost) {
  EXPECT_EQ(FaultOf("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(FaultOf("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(FaultOf("GET / HTTP/1.0\r\n\r\n"), 0);
}

TEST(HttpParser, OddRequestsAreRefused) {
  for (const char* request :
       {"nonsense\r\n\r\n", "GET /\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHo st: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\x01" "b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\n"
        "Content-Length: 99999999999999999999\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "xyz\r\n"}) {
    EXPECT_EQ(FaultOf(request), 400) << request;
  }
  EXPECT_NE(FaultOf("GET / HTTP/1.1\nHost: h\n\n"), 0);
  EXPECT_EQ(FaultOf("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(FaultOf("GET / HTTP/1.1\r\nHost: h\r\nExpect: more\r\n\r\n"),
            417);
}

TEST(HttpParser, HeadsAreLimited) {
  EXPECT_EQ(FaultOf(StrCat("GET /", std::string(60'000, 'x'),
                           " HTTP/1.1\r\nHost: h\r\n\r\n")),
            0);
  EXPECT_EQ(FaultOf(StrCat("GET / HTTP/1.1\r\nHost: h\r\nX: ",
                           std::string(limits::kHttpHeaderBytesMax, 'x'),
                           "\r\n\r\n")),
            431);
  EXPECT_EQ(FaultOf(StrCat("GET /",
                           std::string(3 * limits::kHttpHeaderBytesMax, 'x'))),
            431);
}

TEST(HttpParser, WhatStandsBetweenChunksIsLimited) {
  const std::string chunked =
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string_view fields[] = {"2;", "2;a=\"", "0", "0\r\nX: ",
                                     "0\r\nX: y\r\nZ: "};
  for (const std::string_view begun : fields) {
    const std::string endless(limits::kHttpHeaderBytesMax + 10,
                              begun == "0" ? '0' : 'x');
    EXPECT_EQ(FaultOf(StrCat(chunked, begun, endless)), 431) << begun;
    EXPECT_EQ(FaultOf(StrCat(chunked, begun, endless.substr(60'000))), 0)
        << begun;
  }
}

TEST(HttpParser, ALongLengthTakesNoMemory) {
  HttpParser parser("test");
  FeedAll(parser, "PUT / HTTP/1.1\r\nHost: h\r\n"
                  "Content-Length: 9000000000000000000\r\n\r\n");
  ASSERT_FALSE(parser.fault().has_value());
  EXPECT_EQ(parser.head().content_length, 9000000000000000000u);
  EXPECT_LT(parser.body().capacity(), 2'000'000u);
}

TEST(HttpParser, ProxiesMayNameTheServer) {
  HttpParser parser("test");
  FeedAll(parser, "GET http://h:5000/a?b HTTP/1.1\r\nHost: h:5000\r\n\r\n");
  EXPECT_EQ(parser.head().raw_path, "/a");
  EXPECT_EQ(parser.head().query, "b");
}

TEST(HttpParser, ConnectionHeadersCount) {
  HttpParser parser("test");
  FeedAll(parser,
          "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
          "Expect: 100-Continue\r\n\r\n");
  EXPECT_FALSE(parser.keep_alive());
  EXPECT_TRUE(parser.expects_continue());
}

}  // namespace
}  // namespace millstream::gateway
