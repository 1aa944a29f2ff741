#include "aws/signer.h"

#include <string>

#include "absl/time/time.h"
#include "aws/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::aws {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// The keys of the examples in Amazon's documents.
const Credentials kExample = {
    .access_key_id = "AKIAIOSFODNN7EXAMPLE",
    .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
const Credentials kSuite = {
    .access_key_id = "AKIDEXAMPLE",
    .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};

int64_t At(const char* text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M:%S", text, &time, &error));
  return absl::ToUnixMillis(time);
}

SigningScope S3Scope() {
  return {"us-east-1", "s3", At("2013-05-24 00:00:00")};
}
SigningScope SuiteScope() {
  return {"us-east-1", "service", At("2015-08-30 12:36:00")};
}

std::string Authorization(const HttpRequest& request) {
  for (const auto& [name, value] : request.headers) {
    if (name == "Authorization") return value;
  }
  return "";
}

HttpRequest Example(std::string method, std::string path) {
  HttpRequest request;
  request.method = std::move(method);
  request.host = "examplebucket.s3.amazonaws.com";
  request.path = std::move(path);
  return request;
}

HttpRequest Suite(std::string method, std::string path) {
  HttpRequest request;
  request.method = std::move(method);
  request.host = "example.amazonaws.com";
  request.path = std::move(path);
  return request;
}

// "Examples: Signature Calculations" of the S3 API reference.
TEST(SignRequestTest, AgreesWithTheExamplesOfS3) {
  HttpRequest get = Example("GET", "/test.txt");
  get.headers = {{"Range", "bytes=0-9"}};
  SignRequest(kExample, S3Scope(), Hex(Sha256("")), &get);
  EXPECT_EQ(Authorization(get),
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
            "aws4_request,SignedHeaders=host;range;x-amz-content-sha256;"
            "x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba"
            "48dd91039c6036bdb41");

  HttpRequest put = Example("PUT", "/test%24file.text");
  put.headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  SignRequest(kExample, S3Scope(), Hex(Sha256("Welcome to Amazon S3.")), &put);
  EXPECT_THAT(Authorization(put),
              EndsWith("=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971"
                       "af0ece108bd"));

  HttpRequest lifecycle = Example("GET", "/");
  lifecycle.query = {{"lifecycle", ""}};
  SignRequest(kExample, S3Scope(), Hex(Sha256("")), &lifecycle);
  EXPECT_THAT(Authorization(lifecycle),
              EndsWith("=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a"
                       "0136783543"));

  HttpRequest list = Example("GET", "/");
  list.query = {{"prefix", "J"}, {"max-keys", "2"}};
  SignRequest(kExample, S3Scope(), Hex(Sha256("")), &list);
  EXPECT_THAT(Authorization(list),
              EndsWith("=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed571"
                       "1ef69dc6f7"));
}

TEST(PresignUrlTest, AgreesWithTheExampleOfS3) {
  EXPECT_EQ(
      PresignUrl(kExample, S3Scope(), 86400, Example("GET", "/test.txt")),
      "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm="
      "AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-"
      "east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires="
      "86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b8"
      "6d86835f995330da4c265957d157751f604d404");
}

// The suite of test vectors that Amazon published for version 4.
TEST(SignRequestTest, AgreesWithTheTestSuite) {
  HttpRequest vanilla = Suite("GET", "/");
  SignRequest(kSuite, SuiteScope(), Hex(Sha256("")), &vanilla);
  EXPECT_THAT(Authorization(vanilla),
              EndsWith("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1"
                       "d763fbf31"));

  HttpRequest order = Suite("GET", "/");
  order.query = {{"Param2", "value2"}, {"Param1", "value1"}};
  SignRequest(kSuite, SuiteScope(), Hex(Sha256("")), &order);
  EXPECT_THAT(Authorization(order),
              EndsWith("b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec"
                       "94cdf2500"));

  HttpRequest post = Suite("POST", "/");
  SignRequest(kSuite, SuiteScope(), Hex(Sha256("")), &post);
  EXPECT_THAT(Authorization(post),
              EndsWith("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e9"
                       "2efbe5d6b"));
}

TEST(SignRequestTest, SendsAndSignsTheSessionToken) {
  Credentials temporary = kExample;
  temporary.session_token = "token/+=";
  HttpRequest request = Example("GET", "/");
  SignRequest(temporary, S3Scope(), kUnsignedPayload, &request);
  EXPECT_THAT(Authorization(request), HasSubstr("x-amz-security-token"));
  EXPECT_THAT(PresignUrl(temporary, S3Scope(), 1, Example("GET", "/")),
              HasSubstr("&X-Amz-Security-Token=token%2F%2B%3D&"));
}

TEST(SignRequestTest, NeverShowsTheSecret) {
  HttpRequest request = Example("GET", "/");
  SignRequest(kExample, S3Scope(), kUnsignedPayload, &request);
  for (const auto& [name, value] : request.headers) {
    EXPECT_THAT(value, Not(HasSubstr(kExample.secret_access_key)));
  }
}

TEST(PercentEncodeTest, KeepsOnlyUnreservedCharacters) {
  EXPECT_EQ(PercentEncode("aZ9-._~"), "aZ9-._~");
  EXPECT_EQ(PercentEncode("a b+c/d=%\xC3\xBC*"),
            "a%20b%2Bc%2Fd%3D%25%C3%BC%2A");
  EXPECT_EQ(PercentEncode("a/b c", /*keep_slash=*/true), "a/b%20c");
}

TEST(EndpointTest, TakesUrlsOfServices) {
  const auto minio = Endpoint::Parse("http://MinIO:9000/");
  ASSERT_TRUE(minio.ok());
  EXPECT_EQ(minio->scheme, "http");
  EXPECT_EQ(minio->host, "minio:9000");
  EXPECT_EQ(minio->path, "");
  EXPECT_EQ(Endpoint::Parse("https://s3.example:443/a/b/")->host, "s3.example");
  EXPECT_EQ(Endpoint::Parse("https://s3.example:443/a/b/")->path, "/a/b");
  EXPECT_EQ(Endpoint::Parse("http://[::1]:9000")->host, "[::1]:9000");
  for (const char* bad : {"", "minio", "minio:9000", "ftp://minio",
                          "http://user:word@minio", "http://minio/?a=b"}) {
    EXPECT_FALSE(Endpoint::Parse(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace millstream::aws
