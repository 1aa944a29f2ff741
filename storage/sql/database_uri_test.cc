#include "storage/sql/database_uri.h"

#include <gtest/gtest.h>

namespace millstream::storage::sql {
namespace {

DatabaseUri Parse(std::string_view text) {
  auto uri = ParseDatabaseUri(text, "--flag");
  EXPECT_TRUE(uri.ok()) << text << ": " << uri.status();
  return uri.ok() ? *uri : DatabaseUri();
}

std::string Refusal(std::string_view text) {
  auto uri = ParseDatabaseUri(text, "--flag");
  EXPECT_FALSE(uri.ok()) << text;
  EXPECT_TRUE(absl::IsInvalidArgument(uri.status()));
  return std::string(uri.status().message());
}

TEST(DatabaseUriTest, ReadsAllParts) {
  const DatabaseUri uri = Parse(
      "postgresql+psycopg2://me:p%40ss%2Fw%25@db.example:5433/ml"
      "?sslmode=require&application_name=a+b%21");
  EXPECT_EQ(uri.engine, Engine::kPostgres);
  EXPECT_EQ(uri.driver, "psycopg2");
  EXPECT_EQ(uri.user, "me");
  EXPECT_EQ(uri.password, "p@ss/w%");
  ASSERT_EQ(uri.hosts.size(), 1u);
  EXPECT_EQ(uri.hosts[0].name, "db.example");
  EXPECT_EQ(uri.hosts[0].port, 5433);
  EXPECT_EQ(uri.database, "ml");
  ASSERT_EQ(uri.query.size(), 2u);
  EXPECT_EQ(uri.query[1].first, "application_name");
  EXPECT_EQ(uri.query[1].second, "a b!");
  EXPECT_EQ(uri.Redacted(), "postgresql://db.example:5433/ml");
}

TEST(DatabaseUriTest, KnowsTheSpellingsOfEachEngine) {
  EXPECT_EQ(Parse("postgres://h/d").engine, Engine::kPostgres);
  EXPECT_EQ(Parse("postgresql+psycopg://h/d").engine, Engine::kPostgres);
  EXPECT_EQ(Parse("postgresql+asyncpg://h/d").engine, Engine::kPostgres);
  EXPECT_EQ(Parse("mysql+pymysql://h/d").engine, Engine::kMysql);
  EXPECT_EQ(Parse("mariadb://h/d").engine, Engine::kMysql);
  EXPECT_EQ(Parse("sqlite:///x.db").database, "x.db");
  EXPECT_EQ(Parse("sqlite:////data/x.db").database, "/data/x.db");
  EXPECT_TRUE(IsDatabaseUri("postgresql+other://h/d"));
  EXPECT_FALSE(IsDatabaseUri("file:///x"));
  EXPECT_FALSE(IsDatabaseUri("postgresql"));
}

TEST(DatabaseUriTest, ReadsHostsWhereverTheyStand) {
  DatabaseUri uri = Parse("postgresql://[::1]:6000,b,[fe80::2]/d");
  ASSERT_EQ(uri.hosts.size(), 3u);
  EXPECT_EQ(uri.hosts[0].name, "::1");
  EXPECT_EQ(uri.hosts[0].port, 6000);
  EXPECT_EQ(uri.hosts[1].name, "b");
  EXPECT_EQ(uri.hosts[2].port, 0);
  EXPECT_EQ(uri.Redacted(), "postgresql://[::1]:6000,b,[fe80::2]/d");

  uri = Parse("postgresql://u@/d?host=/var/run/postgresql&port=5433");
  ASSERT_EQ(uri.hosts.size(), 1u);
  EXPECT_EQ(uri.hosts[0].name, "/var/run/postgresql");
  EXPECT_EQ(uri.hosts[0].port, 5433);
  EXPECT_TRUE(uri.query.empty());

  uri = Parse("postgresql:///d?host=a:1&host=b:2&host=::1&host=[::2]:3");
  ASSERT_EQ(uri.hosts.size(), 4u);
  EXPECT_EQ(uri.hosts[1].port, 2);
  EXPECT_EQ(uri.hosts[2].name, "::1");
  EXPECT_EQ(uri.hosts[3].name, "::2");
  EXPECT_EQ(uri.hosts[3].port, 3);

  uri = Parse("postgresql:///d?host=a,b&port=1,2");
  ASSERT_EQ(uri.hosts.size(), 2u);
  EXPECT_EQ(uri.hosts[1].port, 2);
  EXPECT_TRUE(Parse("postgresql:///d").hosts.empty());
}

TEST(DatabaseUriTest, TakesPasswordsAsPeopleWriteThem) {
  EXPECT_EQ(Parse("postgresql://u:a/b@h/d").password, "a/b");
  EXPECT_EQ(Parse("postgresql://u:a@b@h/d").password, "a@b");
  EXPECT_EQ(Parse("postgresql://u:100%@h/d").password, "100%");
  EXPECT_EQ(Parse("postgresql://u:a:b@h/d").password, "a:b");
  EXPECT_EQ(Parse("postgresql://u:a+b@h/d").password, "a+b");
  EXPECT_EQ(Parse("postgresql://u:@h/d").password, "");
  EXPECT_EQ(Parse("postgresql://u:12/3@h/d").password, "12/3");
  for (std::string_view password : {"a?b", "a?b=c&d", "a?b/c", "a/b?c", "?",
                                    "12?3", "a#b"}) {
    const DatabaseUri uri =
        Parse("postgresql://u:" + std::string(password) + "@h:1/d?x=y");
    EXPECT_EQ(uri.user, "u");
    EXPECT_EQ(uri.password, password);
    EXPECT_EQ(uri.Redacted(), "postgresql://h:1/d");
    ASSERT_EQ(uri.query.size(), 1u);
    EXPECT_EQ(uri.query[0].first, "x");
  }
}

TEST(DatabaseUriTest, AnAtMayStandBehindTheHostWhereNothingElseIsMeant) {
  EXPECT_EQ(Parse("postgresql://h/d?user=a@b").query[0].second, "a@b");
  EXPECT_EQ(Parse("postgresql://h/d?user=a@b").hosts[0].name, "h");
  EXPECT_EQ(Parse("postgresql://u@h:1/d?x=a@b").query[0].second, "a@b");
  EXPECT_EQ(Parse("postgresql:///d?host=/run&x=a@b").database, "d");
  EXPECT_EQ(Parse("sqlite:////a:b@c.db").database, "/a:b@c.db");
}

// Read the wrong way, a part of the password would be shown as a host or key.
TEST(DatabaseUriTest, WhatCanBeReadInTwoWaysIsRefused) {
  for (std::string_view text : {
           "postgresql://u:a@secret/b@h/d", "postgresql://u:a@b?secret@h/d",
           "postgresql://u:a@b/secret?c@h/d", "postgresql://u:1/secret?a@h/d",
           "postgresql://h:5432/d?user=secret@b",
           "postgresql://[::1]/d?user=secret@b",
           "postgresql://a:1,b:2/d?user=secret@b",
       }) {
    const std::string message = Refusal(text);
    EXPECT_NE(message.find("two ways"), std::string::npos) << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
  }
}

TEST(DatabaseUriTest, RefusalsNameTheFlagAndNoSecret) {
  for (std::string_view text : {
           "", "secret", "oracle://u:secret@h/d",
           "postgresql+secret://u:secret@h/d", "postgresql://u:secret@h:x/d",
           "postgresql://u:secret@h:0/d", "postgresql://u:secret@h:65536/d",
           "postgresql://u:secret@[::1/d", "postgresql://u:secret@[::1]x/d",
           "postgresql://u:secret%00@h/d", "postgresql://h/d?a=secret%00",
           "postgresql://u:secret@h/d?host=b",
           "postgresql://u:secret@a,b/d?port=1,2,3", "sqlite://secret/x.db",
       }) {
    const std::string message = Refusal(text);
    EXPECT_EQ(message.rfind("--flag: ", 0), 0u) << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
  }
  EXPECT_NE(Refusal("postgresql+x://h/d").find("psycopg2"), std::string::npos);
}

TEST(DatabaseUriTest, RefusesTooLongOnes) {
  const std::string begin = "postgresql://h/";
  const std::string fits(kDatabaseUriBytesMax - begin.size(), 'd');
  EXPECT_EQ(Parse(begin + fits).database, fits);
  Refusal(begin + fits + "d");
}

}  // namespace
}  // namespace millstream::storage::sql
