#include "app/auth_config.h"

#include "gtest/gtest.h"

namespace millstream::app {
namespace {

TEST(AuthConfigTest, ReadsMlflowsFile) {
  const auto config = ParseAuthConfig(
      "[other]\nadmin_username = nobody\n"
      "[mlflow]\r\n"
      "default_permission = EDIT\n"
      "# admin_password = comment\n"
      "database_uri = sqlite:////srv/users.db\n"
      "admin_username=root\n"
      "admin_password = with = sign\n"
      "authorization_function = "
      "mlflow.server.auth:authenticate_request_basic_auth\n"
      "auth_cache_ttl_seconds = 0");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->default_permission, auth::Permission::kEdit);
  EXPECT_EQ(config->database, "/srv/users.db");
  EXPECT_EQ(config->admin_username, "root");
  EXPECT_EQ(config->admin_password, "with = sign");
}

TEST(AuthConfigTest, WhatIsNotSetIsMlflowsDefault) {
  const auto config = ParseAuthConfig("");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->default_permission, auth::Permission::kRead);
  EXPECT_EQ(config->database, "basic_auth.db");
  EXPECT_EQ(config->admin_username, "admin");
  EXPECT_EQ(config->admin_password, "");
}

TEST(AuthConfigTest, RefusesWhatWouldSilentlyBeMissing) {
  for (const char* line :
       {"default_permission = ALL", "default_permission = DENY",
        "database_uri = postgresql://x/y", "database_uri = sqlite:///",
        "authorization_function = my.module:function"}) {
    EXPECT_FALSE(ParseAuthConfig(std::string("[mlflow]\n") + line).ok())
        << line;
  }
}

}  // namespace
}  // namespace millstream::app
