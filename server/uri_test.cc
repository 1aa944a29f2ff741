#include "server/uri.h"

#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(UriTest, HasParts) {
  const Uri uri = SplitUri("S3://User:pw@Bucket.Example:80/a/b%20c?q#f");
  EXPECT_EQ(uri.scheme, "s3");
  EXPECT_EQ(uri.authority, "User:pw@Bucket.Example:80");
  EXPECT_EQ(uri.Host(), "bucket.example");
  EXPECT_EQ(uri.path, "/a/b%20c");
  EXPECT_EQ(SplitUri("models:/m#1").path, "/m");
  EXPECT_EQ(SplitUri("models:/m#1", /*fragments=*/false).path, "/m#1");
}

TEST(UriTest, WhatIsNoUriIsAPath) {
  for (const char* text : {"", "a/b", "/a/b", "1:/x", ":x"}) {
    EXPECT_EQ(SplitUri(text).scheme, "") << text;
    EXPECT_EQ(SplitUri(text).path, text);
  }
}

TEST(UriTest, ControlCharactersHideNoScheme) {
  EXPECT_EQ(SplitUri("\x01 ht\ntp://host/x").scheme, "http");
}

TEST(UriTest, SomeSchemesMakeTheServerCallTheirHost) {
  for (const char* text : {"http://h/x", "HTTPS://h", "ftp://h", "hdfs://h/x",
                           "mlflow-artifacts://h/x"}) {
    EXPECT_TRUE(NamesHostToCall(SplitUri(text))) << text;
  }
  for (const char* text :
       {"/x", "file:///x", "s3://bucket/x", "mlflow-artifacts:/x"}) {
    EXPECT_FALSE(NamesHostToCall(SplitUri(text))) << text;
  }
}

TEST(UriTest, PercentEscapesAreDecoded) {
  EXPECT_EQ(DecodePercent("%41%2f%2F%"), "A//%");
  EXPECT_EQ(DecodePercent("%4"), "%4");
  EXPECT_EQ(DecodePercent("%zz+"), "%zz+");
  EXPECT_EQ(DecodePercent("a+b", /*plus=*/true), "a b");
}

TEST(UriTest, EscapesOfEscapesAreDecodedSoOften) {
  EXPECT_EQ(DecodePercentFully("a"), "a");
  EXPECT_EQ(DecodePercentFully("%252e%2e"), "..");
  std::string text = "%2e";
  for (int i = 1; i < limits::kEncodingsMax; ++i) text.insert(1, "25");
  EXPECT_EQ(DecodePercentFully(text), ".");
  text.insert(1, "25");
  EXPECT_EQ(DecodePercentFully(text), std::nullopt);
}

TEST(UriTest, PathsHaveParts) {
  EXPECT_THAT(SplitPath("/a//b/"), ElementsAre("a", "b"));
  EXPECT_THAT(SplitPath("//"), IsEmpty());
}

}  // namespace
}  // namespace millstream::server
