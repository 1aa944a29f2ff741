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
  EXPECT_EQ(config->database.engine, storage::sql::Engine::kSqlite);
  EXPECT_EQ(config->database.database, "/srv/users.db");
  EXPECT_TRUE(config->has_database);
  EXPECT_EQ(config->admin_username, "root");
  EXPECT_EQ(config->admin_password, "with = sign");
}

TEST(AuthConfigTest, WhatIsNotSetIsMlflowsDefault) {
  const auto config = ParseAuthConfig("");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->default_permission, auth::Permission::kRead);
  EXPECT_EQ(config->database.database, "basic_auth.db");
  EXPECT_FALSE(config->has_database);
  EXPECT_EQ(config->admin_username, "admin");
  EXPECT_EQ(config->admin_password, "");
}

TEST(AuthConfigTest, UsersMayBeInADatabaseServer) {
  const auto config = ParseAuthConfig(
      "[mlflow]\n"
      "database_uri = mysql+pymysql://team:a%%40b@db:3307/users\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->database.engine, storage::sql::Engine::kMysql);
  EXPECT_EQ(config->database.user, "team");
  // Doubled for configparser, encoded for the URI.
  EXPECT_EQ(config->database.password, "a@b");
  EXPECT_EQ(config->database.database, "users");
}

TEST(AuthConfigTest, RefusesWhatWouldSilentlyBeMissing) {
  for (const char* line :
       {"default_permission = ALL", "default_permission = DENY",
        "database_uri = oracle://x/y", "database_uri = sqlite:///",
        "database_uri = postgresql://x", "database_uri = users.db",
        "authorization_function = my.module:function"}) {
    EXPECT_FALSE(ParseAuthConfig(std::string("[mlflow]\n") + line).ok())
        << line;
  }
}

}  // namespace
}  // namespace millstream::app
