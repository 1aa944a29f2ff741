#include "server/model_source.h"

#include <string>

#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "server/uri.h"

namespace millstream::server {
namespace {

TEST(UriTest, SplitsIntoParts) {
  const Uri uri = SplitUri("S3://user@Bucket:1/a/b?q#f");
  EXPECT_EQ(uri.scheme, "s3");
  EXPECT_EQ(uri.authority, "user@Bucket:1");
  EXPECT_EQ(uri.Host(), "bucket");
  EXPECT_EQ(uri.path, "/a/b");
  EXPECT_EQ(SplitUri("http://[::1]:80/x").Host(), "::1");
}

TEST(UriTest, WhatHasNoSchemeIsAPath) {
  for (const char* text : {"/a/b", "a/b", "1s:/x", ":/x", "a b:/x"}) {
    EXPECT_EQ(SplitUri(text).scheme, "") << text;
    EXPECT_EQ(SplitUri(text).path, text);
  }
}

TEST(UriTest, ControlCharactersDoNotHideAScheme) {
  EXPECT_EQ(SplitUri(" \x01 ht\ntp://h/x").scheme, "http");
  EXPECT_EQ(SplitUri("models:/a\t/1").path, "/a/1");
}

TEST(UriTest, DecodesEscapesOnce) {
  EXPECT_EQ(DecodePercent("%41%2f%2F"), "A//");
  EXPECT_EQ(DecodePercent("%252e"), "%2e");
  EXPECT_EQ(DecodePercent("%4"), "%4");
  EXPECT_EQ(DecodePercent("%zz%"), "%zz%");
  EXPECT_EQ(DecodePercent("a+b"), "a+b");
  EXPECT_EQ(DecodePercent("a+b", /*plus=*/true), "a b");
}

TEST(ModelSourceTest, ModelsUrisNameAModelOrAVersion) {
  using Kind = ModelsUri::Kind;
  struct {
    const char* source;
    Kind kind;
    const char* name;
    const char* text;
  } cases[] = {
      {"models:/m-1", Kind::kModelId, "m-1", ""},
      {"models:/a/12", Kind::kVersion, "a", "12"},
      {"models:/a/Production", Kind::kStage, "a", "Production"},
      {"models:/a/LATEST", Kind::kLatest, "a", "LATEST"},
      {"models:/a@best", Kind::kAlias, "a", "best"},
      {"models:/a@b@best", Kind::kAlias, "a@b", "best"},
      {"models:/a@b/1", Kind::kVersion, "a@b", "1"},
      {"models:/a#b/1", Kind::kVersion, "a#b", "1"},
  };
  for (const auto& c : cases) {
    absl::StatusOr<ModelsUri> uri = ParseModelsUri(c.source);
    ASSERT_TRUE(uri.ok()) << c.source;
    EXPECT_EQ(uri->kind, c.kind) << c.source;
    EXPECT_EQ(uri->name, c.name) << c.source;
    EXPECT_EQ(uri->text, c.text) << c.source;
  }
  for (const char* source : {"models:", "models:/", "models:a", "models:/ /1",
                             "models:/a/", "models:/a/1/x", "models:/a@",
                             "models:/@a", "runs:/a"}) {
    EXPECT_EQ(GetErrorCode(ParseModelsUri(source).status()),
              v1::INVALID_PARAMETER_VALUE)
        << source;
  }
}

TEST(ModelSourceTest, SourcesThatConnectToAHostAreRefused) {
  for (const char* source :
       {"http://h/x", "HTTPS://h/x", "ftp:///x", "sftp://h/x", "hdfs://h/x",
        "viewfs://h/x", "mlflow-artifacts://h/x", "abfss://c@a/x",
        " http://h/x"}) {
    EXPECT_EQ(GetErrorCode(CheckSource(source)), v1::INVALID_PARAMETER_VALUE)
        << source;
  }
  for (const char* source : {"s3://b/x", "gs://b/x", "mlflow-artifacts:/1/x",
                             "dbfs:/x", "models:/a/1", "/a"}) {
    EXPECT_TRUE(CheckSource(source).ok()) << source;
  }
}

TEST(ModelSourceTest, LengthHasALimit) {
  const std::string longest =
      "s3://b/" + std::string(limits::kSourceLengthMax - 7, 'x');
  EXPECT_TRUE(CheckSource(longest).ok());
  EXPECT_FALSE(CheckSource(longest + "x").ok());
}

TEST(ModelSourceTest, DetoursAreRefusedHoweverEncoded) {
  for (const char* source :
       {"s3://b/../x", "s3://b/a/..", "s3://b/%2e%2e/x", "s3://b/%252e%252e/x",
        "s3://b/..%2fx", "s3://b/..%252Fx", "mlflow-artifacts:/../x",
        "s3://b/a%00", "s3://b/./x", "s3:x", "s3://b", "s3://b/",
        "runs:/r/%2E./x", "s3://b/.%2e/x"}) {
    EXPECT_EQ(GetErrorCode(CheckPlainPath(source)),
              v1::INVALID_PARAMETER_VALUE)
        << source;
  }
  for (const char* source : {"s3://b/x", "s3://b//x/", "s3://b/a..b/...",
                             "s3://b/100%", "runs:/r/a+b", "s3://b/%41"}) {
    EXPECT_TRUE(CheckPlainPath(source).ok()) << source;
  }
}

TEST(ModelSourceTest, EncodingOverAndOverIsRefused) {
  std::string source = "s3://b/%";
  for (int i = 0; i < limits::kEncodingsMax; ++i) source += "25";
  EXPECT_TRUE(CheckPlainPath(source).ok());
  EXPECT_FALSE(CheckPlainPath(source + "2525").ok());
}

TEST(ModelSourceTest, PathsAndFileUrisAreLocal) {
  for (const char* source : {"/a", "a", "../a", "", "file:/a", "file:///a",
                             "file://localhost/a", "FILE:///a", "s3%3A//b/x"}) {
    EXPECT_TRUE(*IsLocalSource(source)) << source;
  }
  for (const char* source : {"s3://b/x", "models:/a/1", "runs:/r/x"}) {
    EXPECT_FALSE(*IsLocalSource(source)) << source;
  }
  EXPECT_FALSE(IsLocalSource("file://elsewhere/a").ok());
}

TEST(ModelSourceTest, ProxiedSourcesAreRecognised) {
  EXPECT_TRUE(IsProxiedSource("mlflow-artifacts:/1/r/artifacts"));
  EXPECT_TRUE(
      IsProxiedSource("http://h/p/api/2.0/mlflow-artifacts/artifacts/1"));
  EXPECT_TRUE(
      IsProxiedSource("http://h/api/2%2e0/mlflow%2Dartifacts/artifacts/1"));
  EXPECT_FALSE(IsProxiedSource("s3://b/api/2.0/mlflow-artifacts/artifacts"));
}

TEST(ModelSourceTest, WithinIsDecidedPartByPart) {
  const char* root = "mlflow-artifacts:/1/r/artifacts";
  EXPECT_TRUE(IsWithinUri("mlflow-artifacts:/1/r/artifacts", root));
  EXPECT_TRUE(IsWithinUri("mlflow-artifacts:/1/r/artifacts/model", root));
  EXPECT_TRUE(IsWithinUri("MLFLOW-artifacts:/1//r/artifact%73/m", root));
  EXPECT_FALSE(IsWithinUri("mlflow-artifacts:/1/r/artifacts2", root));
  EXPECT_FALSE(IsWithinUri("mlflow-artifacts:/1/r", root));
  EXPECT_FALSE(IsWithinUri("mlflow-artifacts:/1%2Fr/artifacts", root));
  EXPECT_FALSE(IsWithinUri("s3:/1/r/artifacts/x", root));
  EXPECT_FALSE(IsWithinUri("mlflow-artifacts:/x", "mlflow-artifacts:/"));
}

TEST(ModelSourceTest, LocalPathsWithinAreAbsoluteAndPlain) {
  EXPECT_TRUE(IsWithinLocalPath("/a/b/c", "/a/b"));
  EXPECT_TRUE(IsWithinLocalPath("file:///a/b/c", "/a/b"));
  EXPECT_TRUE(IsWithinLocalPath("/a/./b/c", "file:/a/b"));
  EXPECT_FALSE(IsWithinLocalPath("/a/bc", "/a/b"));
  EXPECT_FALSE(IsWithinLocalPath("/a/b/../b/c", "/a/b"));
  EXPECT_FALSE(IsWithinLocalPath("/a/b/%2e%2e/c", "/a/b"));
  EXPECT_FALSE(IsWithinLocalPath("/a/b/%252e%252e/c", "/a/b"));
  EXPECT_FALSE(IsWithinLocalPath("a/b/c", "/a/b"));
  EXPECT_FALSE(IsWithinLocalPath("/a", "/"));
}

TEST(ModelSourceTest, RunsUrisNameTheirRun) {
  EXPECT_EQ(RunOfSource("runs:/abc/model"), "abc");
  EXPECT_EQ(RunOfSource("runs:/abc"), "abc");
  EXPECT_EQ(RunOfSource("runs:/"), "");
  EXPECT_EQ(RunOfSource("runs:abc"), "");
  EXPECT_EQ(RunOfSource("s3:/abc"), "");
}

}  // namespace
}  // namespace millstream::server
