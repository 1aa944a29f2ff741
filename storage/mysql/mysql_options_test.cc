#include "storage/mysql/mysql_options.h"

#include <gtest/gtest.h>

namespace millstream::storage::mysql {
namespace {

absl::StatusOr<MysqlOptions> Read(std::string_view text) {
  auto uri = sql::ParseDatabaseUri(text, "--uri");
  EXPECT_TRUE(uri.ok()) << uri.status();
  return MysqlOptionsOf(*uri, "--uri");
}

TEST(MysqlOptionsTest, KnowsTheDrivers) {
  for (std::string_view driver :
       {"mysql", "mysql+pymysql", "mysql+mysqldb", "mysql+mysqlconnector",
        "mariadb", "mariadb+mariadbconnector"}) {
    const auto options =
        Read(std::string(driver) + "://me:se%20cret@db:3307/ml?charset=utf8");
    ASSERT_TRUE(options.ok()) << options.status();
    EXPECT_EQ(options->user, "me");
    EXPECT_EQ(options->password, "se cret");
    ASSERT_EQ(options->hosts.size(), 1u);
    EXPECT_EQ(options->hosts[0].name, "db");
    EXPECT_EQ(options->hosts[0].port, 3307);
    EXPECT_EQ(options->database, "ml");
    EXPECT_EQ(options->tls, Tls::kPreferred);
    EXPECT_EQ(options->name.find("se"), std::string::npos);
  }
}

TEST(MysqlOptionsTest, ReadsWhereAndHow) {
  auto options = Read(
      "mysql://u@/d?unix_socket=/run/my.sock&connect_timeout=9"
      "&ssl_cert=/c.pem&ssl_key=/k.pem");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->unix_socket, "/run/my.sock");
  EXPECT_EQ(options->connect_timeout, absl::Seconds(9));
  EXPECT_EQ(options->tls_certificate, "/c.pem");
  EXPECT_EQ(options->tls_key, "/k.pem");
}

TEST(MysqlOptionsTest, VerifiesWhenItIsToldWhomToTrust) {
  const auto tls = [](std::string_view query) {
    auto options = Read("mysql://u@h/d?" + std::string(query));
    EXPECT_TRUE(options.ok()) << options.status();
    return options->tls;
  };
  EXPECT_EQ(tls("ssl_ca=/ca.pem"), Tls::kVerified);
  EXPECT_EQ(tls("ssl_capath=/ca"), Tls::kVerified);
  EXPECT_EQ(tls("ssl_ca=/ca.pem&ssl_check_hostname=false"), Tls::kVerifiedCa);
  EXPECT_EQ(tls("ssl_ca=/ca.pem&ssl_verify_cert=true"), Tls::kVerifiedCa);
  EXPECT_EQ(tls("ssl_ca=/ca.pem&ssl_verify_cert=true&ssl_verify_identity=1"),
            Tls::kVerified);
  EXPECT_EQ(tls("ssl_ca=/ca.pem&ssl_verify_cert=false"), Tls::kRequired);
  EXPECT_EQ(tls("ssl_ca=/ca.pem&ssl_mode=VERIFY_CA"), Tls::kVerifiedCa);
  EXPECT_EQ(tls("ssl_ca=/ca.pem&ssl_mode=VERIFY_IDENTITY"), Tls::kVerified);
  EXPECT_EQ(tls("ssl_ca=/ca.pem&ssl_mode=REQUIRED"), Tls::kRequired);
}

TEST(MysqlOptionsTest, IsNotContentWithLessThanItIsAskedFor) {
  const auto tls = [](std::string_view query) {
    auto options = Read("mysql://u@h/d?" + std::string(query));
    EXPECT_TRUE(options.ok()) << options.status();
    return options->tls;
  };
  EXPECT_EQ(tls("ssl_verify_identity=true"), Tls::kVerified);
  EXPECT_EQ(tls("ssl_mode=REQUIRED"), Tls::kRequired);
  EXPECT_EQ(tls("ssl=true"), Tls::kRequired);
  EXPECT_EQ(tls("ssl=true&ssl_ca=/ca.pem"), Tls::kVerified);
  EXPECT_EQ(tls("ssl_mode=VERIFY_IDENTITY&ssl_ca=/c&ssl_verify_cert=true"),
            Tls::kVerified);
  EXPECT_EQ(tls("ssl_cert=/c.pem&ssl_key=/k.pem&ssl_key_password=x"),
            Tls::kRequired);
  // By the system's authorities.
  EXPECT_EQ(tls("ssl_mode=VERIFY_CA"), Tls::kVerified);
  EXPECT_EQ(tls("ssl_verify_cert=true"), Tls::kVerified);
  EXPECT_EQ(tls("ssl_disabled=True"), Tls::kDisabled);
}

TEST(MysqlOptionsTest, RefusesOtherKeysAndNamesTheFlag) {
  for (std::string_view query :
       {"init_command=x", "ssl_mode=maybe", "ssl=maybe", "connect_timeout=0",
        "ssl_cert=/c.pem", "read_default_file=/f"}) {
    const absl::Status status =
        Read("mysql://u:secret@h/d?" + std::string(query)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << query;
    EXPECT_EQ(status.message().find("--uri: '"), 0u) << status;
    EXPECT_EQ(status.message().find("secret"), absl::string_view::npos);
  }
}

}  // namespace
}  // namespace millstream::storage::mysql
