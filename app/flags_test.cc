#include "app/flags.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "app/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::app {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::StatusOr<Config> Configure(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "server");
  absl::StatusOr<ParsedFlags> flags = ParseFlags(arguments);
  if (!flags.ok()) return flags.status();
  return MakeConfig(*flags);
}

std::string Refusal(std::vector<std::string> arguments) {
  return std::string(Configure(std::move(arguments)).status().message());
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    setenv(name, value, 1);
  }
  ~Environment() { unsetenv(name_); }

 private:
  const char* const name_;
};

TEST(FlagsTest, DefaultsArePersonal) {
  auto config = Configure({});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->host, "127.0.0.1");
  EXPECT_EQ(config->port, 5000);
  EXPECT_EQ(config->grpc_port, 5001);
  EXPECT_EQ(config->default_artifact_root, "mlflow-artifacts:/");
  EXPECT_EQ(config->artifacts_dir, config->data_dir + "/artifacts");
  EXPECT_EQ(config->durability, storage::Durability::kMachine);
  EXPECT_THAT(config->allowed_hosts, IsEmpty());
}

TEST(FlagsTest, BoundsConnectionsToTheDatabase) {
  auto config = Configure({"--backend-store-uri", "postgresql://h/d"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->backend_pool.size, storage::sql::kPoolSizeDefault);
  EXPECT_EQ(config->backend_pool.overflow, storage::sql::kPoolOverflowDefault);
  EXPECT_EQ(config->backend_pool.recycle, absl::InfiniteDuration());
  const Environment size("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "3");
  const Environment overflow("MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW", "-1");
  const Environment recycle("MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE", "60");
  config = Configure({"--backend-statement-timeout", "7"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->backend_pool.size, 3);
  EXPECT_EQ(config->backend_pool.overflow,
            storage::sql::kPoolConnectionsMax - 3);
  EXPECT_EQ(config->backend_pool.recycle, absl::Minutes(1));
  EXPECT_EQ(config->backend_statement_timeout, absl::Seconds(7));
  EXPECT_THAT(Refusal({"--backend-pool-size", "many"}),
              HasSubstr("--backend-pool-size"));
  EXPECT_THAT(Refusal({"--backend-wait", "-1"}), HasSubstr("--backend-wait"));
}

TEST(FlagsTest, TakesCertificatesOfMysqlAsMlflowDoes) {
  const Environment ca("MLFLOW_MYSQL_SSL_CA", "/ca.pem");
  auto config = Configure({"--backend-store-uri", "mysql+pymysql://u@h/d",
                           "--mysql-ssl-key", "/key.pem"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->backend->query,
              testing::ElementsAre(testing::Pair("ssl_ca", "/ca.pem"),
                                   testing::Pair("ssl_key", "/key.pem")));
}

TEST(FlagsTest, TakesMlflowsSpellings) {
  auto config = Configure({"-h", "0.0.0.0", "-p", "81", "--static-prefix=/x",
                           "--allowed-hosts", "a.com, b.com:5000",
                           "--no-serve-artifacts"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->host, "0.0.0.0");
  EXPECT_EQ(config->port, 81);
  EXPECT_EQ(config->static_prefix, "/x");
  EXPECT_THAT(config->allowed_hosts, ElementsAre("a.com", "b.com:5000"));
  EXPECT_FALSE(config->serve_artifacts);
  EXPECT_EQ(config->default_artifact_root, config->artifacts_dir);
}

TEST(FlagsTest, FlagBeatsEnvironmentBeatsDefault) {
  Environment env("MLFLOW_PORT", "7000");
  EXPECT_EQ(Configure({})->port, 7000);
  EXPECT_EQ(Configure({"--port", "7001"})->port, 7001);
}

TEST(FlagsTest, OnOffFlagsComeFromTheEnvironmentToo) {
  Environment env("MLFLOW_SERVE_ARTIFACTS", "false");
  EXPECT_FALSE(Configure({})->serve_artifacts);
}

TEST(FlagsTest, ABackendIsADatabase) {
  EXPECT_FALSE(Configure({})->backend.has_value());
  auto config = Configure({"--backend-store-uri", "sqlite:///x.db",
                           "--registry-store-uri", "sqlite:///x.db"});
  ASSERT_TRUE(config.ok()) << config.status();
  // Relative to the folder that the server is started in.
  EXPECT_THAT(config->backend->database, testing::StartsWith("/"));
  EXPECT_THAT(config->backend->database, testing::EndsWith("/x.db"));
  EXPECT_EQ(Configure({"--backend-store-uri", "sqlite:////data/x.db"})
                ->backend->database,
            "/data/x.db");
  EXPECT_THAT(Refusal({"--backend-store-uri", "./mlruns"}),
              HasSubstr("takes a database"));
  EXPECT_THAT(Refusal({"--registry-store-uri", "sqlite:///x.db"}),
              HasSubstr("another database"));
}

TEST(FlagsTest, UiIsAnotherNameForServer) {
  EXPECT_TRUE(ParseFlags({"ui", "--port", "1"}).ok());
}

TEST(FlagsTest, FlagsWithoutEffectWarn) {
  auto flags = ParseFlags(
      {"server", "--workers", "4", "--gunicorn-opts", "--timeout 60"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(flags->warnings, Contains(HasSubstr("--workers")));
  EXPECT_THAT(flags->warnings, Contains(HasSubstr("--gunicorn-opts")));
}

TEST(FlagsTest, RefusedFlagsSayWhy) {
  for (const Flag& flag : ServerFlags()) {
    if (flag.policy != Policy::kRefused) continue;
    std::string name = "--" + std::string(flag.name);
    std::vector<std::string> arguments = {name};
    if (!flag.value.empty()) arguments.push_back("x");
    EXPECT_THAT(Refusal(arguments), HasSubstr(name));
    EXPECT_THAT(Refusal(arguments), HasSubstr(std::string(flag.note)));
  }
}

TEST(FlagsTest, RefusedByEnvironmentNamesTheVariable) {
  Environment env("MLFLOW_READ_REPLICA_BACKEND_STORE_URI",
                  "postgresql://u:secret@h/d");
  EXPECT_THAT(Refusal({}), HasSubstr("MLFLOW_READ_REPLICA_BACKEND_STORE_URI"));
  EXPECT_THAT(Refusal({}), Not(HasSubstr("secret")));
}

TEST(FlagsTest, MistakesNameTheFlag) {
  EXPECT_THAT(Refusal({"--port", "x"}), HasSubstr("--port"));
  EXPECT_THAT(Refusal({"--port", "70000"}), HasSubstr("--port"));
  EXPECT_THAT(Refusal({"--port", "5001"}), HasSubstr("--grpc-port"));
  EXPECT_THAT(Refusal({"--static-prefix", "x"}), HasSubstr("--static-prefix"));
  EXPECT_THAT(Refusal({"--static-prefix", "/x/"}), HasSubstr("/x/"));
  EXPECT_THAT(Refusal({"--durability", "some"}), HasSubstr("--durability"));
  EXPECT_THAT(Refusal({"--x-frame-options", "a\r\nb"}),
              HasSubstr("--x-frame-options"));
  EXPECT_THAT(Refusal({"--artifacts-destination", "gs://b"}),
              HasSubstr("--artifacts-destination"));
  EXPECT_EQ(Refusal({"--artifacts-destination", "s3://b/c"}), "");
  EXPECT_THAT(Refusal({"--presigned-download-seconds", "0"}),
              HasSubstr("--presigned-download-seconds"));
  EXPECT_THAT(Refusal({"--ui-dir", "/nowhere"}), HasSubstr("--ui-dir"));
  EXPECT_THAT(Refusal({"--no-such-flag"}), HasSubstr("--no-such-flag"));
  EXPECT_THAT(Refusal({"--prot", "5"}), HasSubstr("no flag --prot ("));
  EXPECT_THAT(Refusal({"extra"}), HasSubstr("'extra' belongs to no flag"));
}

TEST(FlagsTest, AnAskerThatCameToBeEmptyOpensNothing) {
  for (const char* name :
       {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD",
        "MILLSTREAM_HTPASSWD_FILE", "MILLSTREAM_TOKEN_FILE"}) {
    Environment empty(name, "");
    EXPECT_THAT(Refusal({}), HasSubstr(std::string(name) +
                                       " is set and empty"));
    // Somebody is asked for all that.
    EXPECT_EQ(Refusal({"--app-name", "basic-auth"}), "");
    EXPECT_EQ(Refusal({"--auth-user", "u", "--auth-password", "p"}), "");
  }
  EXPECT_THAT(Refusal({"--htpasswd-file", ""}),
              HasSubstr("--htpasswd-file is set and empty"));
}

TEST(FlagsTest, ValuesOfMistypedFlagsAreNotShown) {
  EXPECT_THAT(Refusal({"--auth-pasword=secret"}),
              HasSubstr("no flag --auth-pasword ("));
}

TEST(FlagsTest, NoCommandIsAnError) {
  for (const auto& [arguments, what] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{}, "required"},
           {{"sever", "--port", "1"}, "no command 'sever'"},
           {{"--bogus"}, "no flag --bogus"}}) {
    const std::string said(ParseFlags(arguments).status().message());
    EXPECT_THAT(said, HasSubstr(what));
    EXPECT_THAT(said, HasSubstr("`millstream --help` lists the commands"));
  }
  EXPECT_THAT(Refusal({"--bogus"}),
              HasSubstr("`millstream server --help` lists the flags"));
  EXPECT_THAT(ParseFlags({"container", "--bogus"}).status().message(),
              HasSubstr("`millstream container --help` lists the flags"));
}

TEST(FlagsTest, AnOpenAddressWithoutPasswordsWarns) {
  const auto warnings = [](std::vector<std::string> arguments) {
    auto config = Configure(std::move(arguments));
    EXPECT_TRUE(config.ok()) << config.status();
    return config->warnings;
  };
  for (const char* host : {"0.0.0.0", "::", "192.168.1.2", "tracking"}) {
    EXPECT_THAT(warnings({"--host", host}),
                ElementsAre(testing::AllOf(HasSubstr(host),
                                           HasSubstr("--htpasswd-file"),
                                           HasSubstr("basic-auth"))));
  }
  EXPECT_THAT(warnings({}), IsEmpty());
  for (const char* host : {"127.0.0.1", "127.1.2.3", "localhost", "::1"}) {
    EXPECT_THAT(warnings({"--host", host}), IsEmpty());
  }
  for (std::vector<std::string> asks :
       {std::vector<std::string>{"--app-name", "basic-auth"},
        {"--htpasswd-file", "users"},
        {"--token-file", "tokens"},
        {"--auth-user", "u", "--auth-password", "p"},
        {"--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "ca"}}) {
    asks.insert(asks.end(), {"--host", "0.0.0.0"});
    EXPECT_THAT(warnings(asks), IsEmpty());
  }
}

TEST(FlagsTest, AllowedHostsThatNameNobodyWarn) {
  for (const char* nobody : {"", ",", " "}) {
    auto config = Configure({"--allowed-hosts", nobody});
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_THAT(config->allowed_hosts, IsEmpty());
    EXPECT_THAT(config->warnings,
                ElementsAre(HasSubstr("--allowed-hosts")));
  }
  const Environment empty("MLFLOW_SERVER_ALLOWED_HOSTS", "");
  EXPECT_THAT(Configure({})->warnings,
              ElementsAre(HasSubstr("MLFLOW_SERVER_ALLOWED_HOSTS")));
  EXPECT_THAT(Configure({"--allowed-hosts", "*"})->warnings, IsEmpty());
}

TEST(FlagsTest, ContainerIsTheServerToldByItsEnvironment) {
  auto flags = ParseFlags({"container", "--port", "81"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_TRUE(flags->container);
  EXPECT_EQ(flags->values.at("port"), "81");
  EXPECT_TRUE(flags->given.contains("port"));
  EXPECT_FALSE(flags->given.contains("host"));
  EXPECT_FALSE(ParseFlags({"server"})->container);
  auto help = ParseFlags({"container", "--help"});
  ASSERT_TRUE(help.ok()) << help.status();
  EXPECT_THAT(help->print, testing::StartsWith("Run the server in a contain"));
  EXPECT_THAT(help->print, HasSubstr("Usage: millstream container"));
  for (const char* told : {"MLFLOW_BACKEND_URI", "SECRET_NAME", "RDS_HOSTNAME",
                           "DATABASE", "BUCKET", "--backend-store-uri"}) {
    EXPECT_THAT(help->print, HasSubstr(told));
  }
}

TEST(FlagsTest, ToolsHaveFlagsOfTheirOwn) {
  // What the environment says to the server is not said to a tool.
  const Environment only("MLFLOW_ARTIFACTS_ONLY", "true");
  auto flags = ParseFlags({"backup", "--to", "/copy"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->tool, "backup");
  EXPECT_EQ(flags->values.at("to"), "/copy");
  EXPECT_EQ(flags->values.at("data-dir"), "./millstream-data");
  EXPECT_FALSE(flags->values.contains("port"));
  EXPECT_THAT(ParseFlags({"check", "--port", "1"}).status().message(),
              HasSubstr("no flag --port (`millstream check --help`"));
  const Environment backend("MLFLOW_BACKEND_STORE_URI", "postgresql://h/d");
  EXPECT_THAT(ParseFlags({"check"}).status().message(), HasSubstr("pg_dump"));
  for (const Tool& tool : Tools()) {
    auto help = ParseFlags({std::string(tool.name), "--help"});
    ASSERT_TRUE(help.ok()) << help.status();
    EXPECT_THAT(help->print,
                HasSubstr("\n  millstream " + std::string(tool.name)));
  }
}

TEST(FlagsTest, HelpNamesEveryFlagAndShowsHowToStart) {
  auto flags = ParseFlags({"server", "--help"});
  ASSERT_TRUE(flags.ok());
  for (const Flag& flag : ServerFlags()) {
    EXPECT_THAT(flags->print, HasSubstr("--" + std::string(flag.name)));
  }
  EXPECT_THAT(flags->print, HasSubstr("MLFLOW_TRACKING_URI="));
  EXPECT_THAT(flags->print,
              HasSubstr("--serve-artifacts,--no-serve-artifacts "));
}

TEST(FlagsTest, DocumentIsCurrent) {
  std::ifstream file("docs/flags.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), FlagsAsMarkdown())
      << "run: bazel run //app:flags_doc > docs/flags.md";
}

}  // namespace
}  // namespace millstream::app
