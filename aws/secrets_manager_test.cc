#include "aws/secrets_manager.h"

#include <map>
#include <string>

#include "aws/testing/scripted_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::aws {
namespace {

using ::testing::HasSubstr;

class SecretsManagerTest : public ::testing::Test {
 protected:
  auto Read(std::string_view name) {
    std::map<std::string, std::string> variables = {
        {"AWS_ACCESS_KEY_ID", "ID"},
        {"AWS_SECRET_ACCESS_KEY", "key"},
        {"AWS_REGION", "eu-west-1"},
        {"AWS_ENDPOINT_URL_SECRETS_MANAGER", server_.url()}};
    return ReadSecret(
        [=](const char* variable) mutable { return variables[variable]; },
        name);
  }

  testing::ScriptedServer server_;
};

TEST_F(SecretsManagerTest, ReadsTheSecretOfADatabase) {
  server_.Answer(200,
                 "{\"ARN\":\"a\",\"SecretString\":\"{\\\"host\\\":\\\"db\\\","
                 "\\\"port\\\":5432,\\\"password\\\":\\\"p\\\"}\"}");
  const auto secret = Read("team/\"db\"");
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(secret->at("host"), "db");
  EXPECT_EQ(secret->at("port"), "5432");
  const std::string request = server_.requests()[0];
  EXPECT_THAT(request, HasSubstr("secretsmanager.GetSecretValue"));
  EXPECT_THAT(request, HasSubstr("/eu-west-1/secretsmanager/aws4_request"));
  EXPECT_THAT(request, HasSubstr("{\"SecretId\":\"team/\\\"db\\\"\"}"));
}

TEST_F(SecretsManagerTest, TellsWhyThereIsNone) {
  server_.Answer(400, "{\"__type\":\"ResourceNotFoundException\"}");
  EXPECT_TRUE(absl::IsNotFound(Read("a").status()));
  server_.Answer(400, "{\"__type\":\"com.a#AccessDeniedException\"}");
  EXPECT_TRUE(absl::IsPermissionDenied(Read("a").status()));
  server_.Answer(200, "{\"SecretString\":\"only text\"}");
  const auto text = Read("a");
  EXPECT_TRUE(absl::IsInvalidArgument(text.status()));
  EXPECT_THAT(std::string(text.status().message()),
              ::testing::Not(HasSubstr("only text")));
}

}  // namespace
}  // namespace millstream::aws
