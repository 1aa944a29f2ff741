#include "gateway/file_range.h"

#include <string>

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

constexpr int64_t kModifiedMs = 784111777500;
constexpr char kDate[] = "Sun, 06 Nov 1994 08:49:37 GMT";

RequestHead With(std::string_view name, std::string_view value) {
  RequestHead head;
  head.headers = {{name, value}};
  return head;
}

// What "Range: `text`" takes of a file of 10 bytes: "2-5", or the kind.
std::string Range(std::string_view text) {
  ByteRange range{};
  switch (ReadRange(With("Range", text), 10, "\"e\"", kModifiedMs, &range)) {
    case RangeKind::kWhole: return "whole";
    case RangeKind::kSeveral: return "several";
    case RangeKind::kOutside: return "outside";
    case RangeKind::kMalformed: return "malformed";
    case RangeKind::kPart: break;
  }
  return std::to_string(range.begin) + "-" + std::to_string(range.end);
}

TEST(FileRange, OneRangeIsRead) {
  EXPECT_EQ(Range("bytes=0-1"), "0-2");
  EXPECT_EQ(Range("bytes=2-"), "2-10");
  EXPECT_EQ(Range("bytes=-3"), "7-10");
  EXPECT_EQ(Range("bytes=-30"), "0-10");
  EXPECT_EQ(Range("bytes=5-99"), "5-10");
  EXPECT_EQ(Range("bytes=9-9223372036854775807"), "9-10");
  EXPECT_EQ(Range("Bytes=0-0"), "0-1");
}

TEST(FileRange, RangesBehindTheFileAreOutside) {
  EXPECT_EQ(Range("bytes=10-"), "outside");
  EXPECT_EQ(Range("bytes=99-100"), "outside");
  EXPECT_EQ(Range("bytes=-0"), "outside");
}

TEST(FileRange, OtherTextIsMalformed) {
  for (const char* text :
       {"nonsense", "bytes=", "bytes=a-b", "bytes=3-2", "bytes=1", "bytes=--1",
        "bytes=+1-2", "bytes=1-99999999999999999999", "lines=1-2"}) {
    EXPECT_EQ(Range(text), "malformed") << text;
  }
}

TEST(FileRange, SeveralRangesAreToldApart) {
  EXPECT_EQ(Range("bytes=0-1,3-4"), "several");
}

TEST(FileRange, IfRangeMustMatch) {
  const auto kind = [](std::string_view value) {
    RequestHead head;
    head.headers = {{"Range", "bytes=0-1"}, {"If-Range", value}};
    ByteRange range{};
    return ReadRange(head, 10, "\"e\"", kModifiedMs, &range);
  };
  EXPECT_EQ(kind("\"e\""), RangeKind::kPart);
  EXPECT_EQ(kind("\"f\""), RangeKind::kWhole);
  EXPECT_EQ(kind(kDate), RangeKind::kPart);
  EXPECT_EQ(kind("Sun, 06 Nov 1994 08:49:38 GMT"), RangeKind::kWhole);
}

TEST(FileRange, UnchangedFilesNeedNotBeSent) {
  const auto unchanged = [](std::string_view name, std::string_view value) {
    return IsUnchanged(With(name, value), "\"e\"", kModifiedMs);
  };
  EXPECT_TRUE(unchanged("If-None-Match", "\"e\""));
  EXPECT_TRUE(unchanged("If-None-Match", "\"x\", W/\"e\""));
  EXPECT_TRUE(unchanged("If-None-Match", "*"));
  EXPECT_FALSE(unchanged("If-None-Match", "\"x\""));
  EXPECT_TRUE(unchanged("If-Modified-Since", kDate));
  EXPECT_FALSE(
      unchanged("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"));
  EXPECT_FALSE(unchanged("If-Modified-Since", "nonsense"));
  EXPECT_FALSE(unchanged("Accept", "*/*"));
}

TEST(FileRange, ContentRangesAreWritten) {
  EXPECT_EQ(ContentRange({2, 5}, 10), "bytes 2-4/10");
  EXPECT_EQ(ContentRangeOutside(10), "bytes */10");
}

}  // namespace
}  // namespace millstream::gateway
