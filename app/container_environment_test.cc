#include "app/container_environment.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Variables = std::map<std::string, std::string>;

auto FlagsOf(const Variables& variables, const Secret& secret = {},
             bool has_database = false) {
  return FlagsOfContainer(
      [&](const char* name) -> const char* {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
      },
      [&](const std::string& name) -> absl::StatusOr<Secret> {
        EXPECT_EQ(name, "mlflow");
        return secret;
      },
      has_database);
}

TEST(ContainerEnvironmentTest, NothingSaidIsAnOrdinaryServerForAll) {
  EXPECT_THAT(*FlagsOf({}), UnorderedElementsAre(Pair("host", "0.0.0.0")));
  EXPECT_THAT(*FlagsOf({{"PORT", "8080"}}),
              UnorderedElementsAre(Pair("host", "0.0.0.0"),
                                   Pair("port", "8080")));
}

TEST(ContainerEnvironmentTest, PlainVariablesAreAPostgresAndABucket) {
  const Variables variables = {{"BUCKET", "b"},       {"USERNAME", "u"},
                               {"PASSWORD", "p@/:%"}, {"HOST", "db.example"},
                               {"DATABASE", "mlflow"}};
  EXPECT_THAT(
      *FlagsOf(variables),
      UnorderedElementsAre(
          Pair("host", "0.0.0.0"), Pair("default-artifact-root", "s3://b"),
          Pair("backend-store-uri",
               "postgresql://u:p%40%2f%3a%25@db.example:5432/mlflow")));
  Variables with_port = variables;
  with_port["PORT"] = "6000";
  EXPECT_THAT((*FlagsOf(with_port))["backend-store-uri"],
              HasSubstr("@db.example:6000/"));
}

TEST(ContainerEnvironmentTest, AVariableThatIsMissingIsNamed) {
  const auto flags = FlagsOf({{"DATABASE", "d"}, {"USERNAME", "u"},
                              {"PASSWORD", "secret"}, {"HOST", ""}});
  EXPECT_THAT(flags.status().message(), HasSubstr("HOST is not set"));
  EXPECT_THAT(flags.status().message(), Not(HasSubstr("secret")));
  EXPECT_THAT(FlagsOf({{"DATABASE", "d"}, {"USERNAME", "u"},
                       {"PASSWORD", "p"}, {"HOST", "h"}, {"PORT", "tcp://"}})
                  .status()
                  .message(),
              HasSubstr("PORT is no port"));
}

TEST(ContainerEnvironmentTest, APartOfADatabaseIsNotPassedOver) {
  EXPECT_THAT(FlagsOf({{"HOST", "h"}, {"USERNAME", "u"}, {"PASSWORD", "p"},
                       {"PORT", "5432"}, {"DATABASE", ""}})
                  .status()
                  .message(),
              HasSubstr("DATABASE is not set"));
  for (const char* name : {"MLFLOW_DB_HOST", "MLFLOW_DB_USERNAME",
                           "MLFLOW_DB_PASSWORD", "MLFLOW_DB_PORT",
                           "MLFLOW_DB_DIALECT"}) {
    EXPECT_THAT(FlagsOf({{name, "sqlite"}}).status().message(),
                HasSubstr(" is not set"))
        << name;
  }
}

TEST(ContainerEnvironmentTest, NamesOfDatabasesAreNotEncoded) {
  EXPECT_THAT((*FlagsOf({{"DATABASE", "ml flow+x"}, {"USERNAME", "u"},
                         {"PASSWORD", "p"}, {"HOST", "h"}}))
                  ["backend-store-uri"],
              "postgresql://u:p@h:5432/ml flow+x");
}

// Told in another way, it needs none of these, but the rest of them holds.
TEST(ContainerEnvironmentTest, AGivenDatabaseChangesNothingElse) {
  const auto flags = [](const Variables& variables) {
    return *FlagsOf(variables, {}, /*has_database=*/true);
  };
  EXPECT_THAT(flags({{"BUCKET", "b"}, {"PORT", "8080"}}),
              UnorderedElementsAre(Pair("host", "0.0.0.0"),
                                   Pair("default-artifact-root", "s3://b"),
                                   Pair("port", "8080")));
  EXPECT_THAT(flags({{"MLFLOW_BACKEND_URI", "postgresql://x/y"},
                     {"MLFLOW_ARTIFACT_URI", "s3://b/p"}}),
              UnorderedElementsAre(Pair("host", "0.0.0.0"),
                                   Pair("default-artifact-root", "s3://b/p"),
                                   Pair("port", "80")));
  // No secret is asked for, and no part is missed.
  EXPECT_THAT(flags({{"SECRET_NAME", "other"}}),
              UnorderedElementsAre(Pair("host", "0.0.0.0")));
  EXPECT_THAT(flags({{"DATABASE", "d"}, {"PORT", "5432"}}),
              UnorderedElementsAre(Pair("host", "0.0.0.0")));
}

TEST(ContainerEnvironmentTest, ASecretHoldsTheDatabase) {
  const Variables variables = {{"SECRET_NAME", "mlflow"}, {"BUCKET", "s3://b"}};
  Secret secret = {{"host", "h"},
                   {"port", "5433"},
                   {"username", "u"},
                   {"password", "p"},
                   {"dbname", "d"}};
  EXPECT_THAT(*FlagsOf(variables, secret),
              UnorderedElementsAre(
                  Pair("host", "0.0.0.0"),
                  Pair("default-artifact-root", "s3://b"),
                  Pair("backend-store-uri", "postgresql://u:p@h:5433/d")));
  secret.erase("port");
  secret["engine"] = "aurora-mysql";
  EXPECT_EQ((*FlagsOf(variables, secret))["backend-store-uri"],
            "mysql+pymysql://u:p@h:3306/d");
  secret["port"] = "many";
  EXPECT_THAT(FlagsOf(variables, secret).status().message(),
              HasSubstr("'port' of the secret is no port"));
  secret.erase("username");
  EXPECT_THAT(FlagsOf(variables, secret).status().message(),
              HasSubstr("has no 'username'"));
}

TEST(ContainerEnvironmentTest, AppRunnersVariables) {
  EXPECT_THAT(*FlagsOf({{"MLFLOW_BACKEND_URI", "postgresql://x/y"},
                        {"MLFLOW_ARTIFACT_URI", "s3://b/path"}}),
              UnorderedElementsAre(
                  Pair("host", "0.0.0.0"), Pair("port", "80"),
                  Pair("backend-store-uri", "postgresql://x/y"),
                  Pair("default-artifact-root", "s3://b/path")));
  Variables variables = {{"PORT", "8080"},
                         {"MLFLOW_DB_USERNAME", "u"},
                         {"MLFLOW_DB_PASSWORD", "p"},
                         {"MLFLOW_DB_HOST", "h"},
                         {"MLFLOW_DB_DATABASE", "d"}};
  EXPECT_THAT(*FlagsOf(variables),
              UnorderedElementsAre(
                  Pair("host", "0.0.0.0"), Pair("port", "8080"),
                  Pair("backend-store-uri", "mysql+pymysql://u:p@h:3306/d")));
  variables["MLFLOW_DB_DIALECT"] = "postgresql";
  variables["MLFLOW_DB_PORT"] = "5432";
  EXPECT_EQ((*FlagsOf(variables))["backend-store-uri"],
            "postgresql://u:p@h:5432/d");
  EXPECT_EQ((*FlagsOf({{"MLFLOW_DB_DIALECT", "sqlite"},
                       {"MLFLOW_DB_DATABASE", "/data/mlflow.db"}}))
                ["backend-store-uri"],
            "sqlite:////data/mlflow.db");
}

TEST(ContainerEnvironmentTest, BeanstalksVariables) {
  EXPECT_THAT(*FlagsOf({{"RDS_HOSTNAME", "::1"},
                        {"RDS_USERNAME", "u"},
                        {"RDS_PASSWORD", "p"},
                        {"RDS_DB_NAME", "d"},
                        {"BUCKET", "b"}}),
              UnorderedElementsAre(
                  Pair("host", "0.0.0.0"),
                  Pair("backend-store-uri", "postgresql://u:p@[::1]:5432/d"),
                  Pair("default-artifact-root", "s3://b")));
}

}  // namespace
}  // namespace millstream::app
