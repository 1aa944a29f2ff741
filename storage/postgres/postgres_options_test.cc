#include "storage/postgres/postgres_options.h"

#include <gtest/gtest.h>

#include <map>

namespace millstream::storage::postgres {
namespace {

std::map<std::string, std::string> Keywords(std::string_view text) {
  auto uri = sql::ParseDatabaseUri(text, "--uri");
  EXPECT_TRUE(uri.ok()) << uri.status();
  auto options = PostgresOptionsOf(*uri, "--uri");
  EXPECT_TRUE(options.ok()) << options.status();
  return {options->keywords.begin(), options->keywords.end()};
}

TEST(PostgresOptionsTest, TellsLibpqWhatTheUriSays) {
  auto words = Keywords(
      "postgresql+psycopg2://me:se%20cret@[::1]:5433/ml?sslmode=require"
      "&options=-c%20search_path%3Dmine&application_name=tests");
  EXPECT_EQ(words["user"], "me");
  EXPECT_EQ(words["password"], "se cret");
  EXPECT_EQ(words["host"], "::1");
  EXPECT_EQ(words["port"], "5433");
  EXPECT_EQ(words["dbname"], "ml");
  EXPECT_EQ(words["sslmode"], "require");
  EXPECT_EQ(words["options"], "-c search_path=mine");
  EXPECT_EQ(words["application_name"], "tests");
  EXPECT_EQ(words["client_encoding"], "UTF8");
  EXPECT_EQ(words.count("target_session_attrs"), 0u);
}

TEST(PostgresOptionsTest, NoticesDeadNetworksUnlessToldOtherwise) {
  auto words = Keywords("postgresql://h/d");
  EXPECT_EQ(words["connect_timeout"], "5");
  EXPECT_EQ(words["keepalives"], "1");
  EXPECT_EQ(words["tcp_user_timeout"], "30000");
  EXPECT_EQ(Keywords("postgresql://h/d?connect_timeout=9")["connect_timeout"],
            "9");
}

TEST(PostgresOptionsTest, OfSeveralHostsTakesTheOneThatWrites) {
  auto words = Keywords("postgresql://a:1,b/d");
  EXPECT_EQ(words["host"], "a,b");
  EXPECT_EQ(words["port"], "1,");
  EXPECT_EQ(words["target_session_attrs"], "read-write");
  EXPECT_EQ(Keywords("postgresql://a,b/d?target_session_attrs=any")
                ["target_session_attrs"],
            "any");
}

TEST(PostgresOptionsTest, KnowsTheWordsOfOtherDrivers) {
  EXPECT_EQ(Keywords("postgresql+asyncpg://h/d?ssl=require")["sslmode"],
            "require");
  EXPECT_EQ(Keywords("postgresql+pg8000://h/d?ssl=true")["sslmode"],
            "require");
}

TEST(PostgresOptionsTest, RefusesOtherKeysAndNamesTheFlag) {
  for (std::string_view key :
       {"sslmodes", "dbname", "replication", "charset"}) {
    auto uri = sql::ParseDatabaseUri(
        "postgresql://u:secret@h/d?" + std::string(key) + "=x", "--uri");
    ASSERT_TRUE(uri.ok());
    const absl::Status status = PostgresOptionsOf(*uri, "--uri").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_EQ(status.message().find("--uri: '"), 0u) << status;
    EXPECT_EQ(status.message().find("secret"), absl::string_view::npos);
  }
}

TEST(PostgresOptionsTest, RefusesValuesThatNoServerCanMend) {
  for (std::string_view query :
       {"sslmode=bogus", "ssl=perhaps", "target_session_attrs=both",
        "gssencmode=x", "channel_binding=x", "ssl_min_protocol_version=TLSv9",
        "ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2",
        "connect_timeout=soon", "keepalives_idle=1x", "keepalives=yes",
        "tcp_user_timeout=99999999999999999999"}) {
    auto uri = sql::ParseDatabaseUri(
        "postgresql://u:secret@h:1,b/d?" + std::string(query), "--uri");
    ASSERT_TRUE(uri.ok());
    const absl::Status status = PostgresOptionsOf(*uri, "--uri").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << query << ": " << status;
    const std::string key(query.substr(query.rfind('&') + 1));
    EXPECT_EQ(std::string(status.message()),
              "--uri: libpq does not take the value of '" +
                  key.substr(0, key.find('=')) + "'.");
  }
  for (std::string_view query :
       {"sslmode=verify-full&sslrootcert=/none", "sslmode=", "connect_timeout=",
        "hostaddr=10.0.0.1", "options=-c%20search_path%3Dmine",
        "ssl_min_protocol_version=TLSv1.2&ssl_max_protocol_version=TLSv1.3",
        "passfile=/none", "sslpassword=x"}) {
    EXPECT_FALSE(Keywords("postgresql://h/d?" + std::string(query)).empty());
  }
}

TEST(PostgresOptionsTest, IsNamedWithoutSecrets) {
  auto uri = sql::ParseDatabaseUri("postgresql://u:secret@h/d?sslkey=secret",
                                   "--uri");
  EXPECT_EQ(PostgresOptionsOf(*uri, "--uri")->name, "postgresql://h/d");
}

}  // namespace
}  // namespace millstream::storage::postgres
