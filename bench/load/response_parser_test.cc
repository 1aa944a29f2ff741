#include "bench/load/response_parser.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace millstream::bench {
namespace {

using State = ResponseParser::State;

// Feeds `text` in pieces of `size` bytes; the state after the last one.
State FeedPieces(ResponseParser& parser, absl::string_view text, size_t size) {
  State state = State::kNeedMore;
  while (!text.empty() && state == State::kNeedMore) {
    state = parser.Feed(text.substr(0, size));
    text.remove_prefix(std::min(size, text.size()));
  }
  return state;
}

constexpr absl::string_view kLength =
    "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nserver: x\r\n\r\nhello world";
constexpr absl::string_view kChunked =
    "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n"
    "Connection: close\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";

TEST(ResponseParserTest, ReadsLengthBodyInPiecesOfAnySize) {
  for (size_t size = 1; size <= kLength.size(); ++size) {
    ResponseParser parser;
    parser.Reset(true);
    EXPECT_EQ(FeedPieces(parser, kLength, size), State::kDone) << size;
    EXPECT_EQ(parser.status(), 200);
    EXPECT_EQ(parser.body(), "hello world");
    EXPECT_FALSE(parser.close());
  }
}

TEST(ResponseParserTest, ReadsChunkedBodyInPiecesOfAnySize) {
  for (size_t size = 1; size <= kChunked.size(); ++size) {
    ResponseParser parser;
    parser.Reset(true);
    EXPECT_EQ(FeedPieces(parser, kChunked, size), State::kDone) << size;
    EXPECT_EQ(parser.status(), 404);
    EXPECT_EQ(parser.body(), "hello world");
    EXPECT_TRUE(parser.close());
  }
}

TEST(ResponseParserTest, EmptyBodyIsDoneWithTheHead) {
  ResponseParser parser;
  parser.Reset(true);
  EXPECT_EQ(parser.Feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            State::kDone);
  EXPECT_EQ(parser.body(), "");
}

TEST(ResponseParserTest, CountsABodyItDoesNotKeep) {
  ResponseParser parser;
  parser.Reset(false);
  EXPECT_EQ(parser.Feed(kLength), State::kDone);
  EXPECT_EQ(parser.body(), "");
  EXPECT_EQ(parser.body_bytes(), 11u);
}

TEST(ResponseParserTest, ReadsTheNextAnswerAfterReset) {
  ResponseParser parser;
  for (int i = 0; i < 3; ++i) {
    parser.Reset(true);
    EXPECT_FALSE(parser.started());
    EXPECT_EQ(parser.Feed(kLength), State::kDone);
    EXPECT_TRUE(parser.started());
  }
}

TEST(ResponseParserTest, RefusesWhatIsNoAnswer) {
  for (absl::string_view text :
       {absl::string_view("SSH-2.0-x\r\n\r\n"),
        absl::string_view("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
        absl::string_view("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
        absl::string_view("HTTP/1.1 200 OK\r\n\r\n"),
        absl::string_view("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"),
        absl::string_view("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
                         "\r\n\r\nzz\r\n")}) {
    ResponseParser parser;
    parser.Reset(true);
    EXPECT_EQ(parser.Feed(text), State::kBroken) << text;
  }
}

TEST(ResponseParserTest, RefusesAHeadWithoutEnd) {
  ResponseParser parser;
  parser.Reset(true);
  EXPECT_EQ(parser.Feed("HTTP/1.1 200 OK\r\nx: " + std::string(70000, 'a')),
            State::kBroken);
}

}  // namespace
}  // namespace millstream::bench
