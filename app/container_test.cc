#include "app/container.h"

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "app/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ContainerTest : public ::testing::Test {
 protected:
  ~ContainerTest() override {
    for (const auto& [name, value] : variables_) unsetenv(name.c_str());
  }

  void Set(const std::string& name, const std::string& value) {
    variables_[name] = value;
    setenv(name.c_str(), value.c_str(), 1);
  }
  static absl::StatusOr<Config> Start(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), "container");
    absl::StatusOr<ParsedFlags> parsed = ParseFlags(flags);
    if (!parsed.ok()) return parsed.status();
    if (absl::Status status = ReadContainer(&*parsed); !status.ok()) {
      return status;
    }
    return MakeConfig(*parsed);
  }

 private:
  std::map<std::string, std::string> variables_;
};

TEST_F(ContainerTest, ADatabaseThatIsGivenLeavesTheOtherVariablesInForce) {
  Set("BUCKET", "b");
  Set("PORT", "8080");
  Set("SECRET_NAME", "never-asked-for");
  Set("MLFLOW_BACKEND_STORE_URI", "postgresql://h/d");
  auto config = Start();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->default_artifact_root, "s3://b");
  EXPECT_EQ(config->port, 8080);
  EXPECT_EQ(config->host, "0.0.0.0");
  config = Start({"--backend-store-uri", "postgresql://other/d"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->default_artifact_root, "s3://b");
  EXPECT_EQ(config->backend->Redacted(), "postgresql://other/d");
}

TEST_F(ContainerTest, FlagsAndTheirOwnVariablesWin) {
  Set("BUCKET", "b");
  Set("PORT", "8080");
  Set("MLFLOW_PORT", "81");
  const auto config = Start({"--default-artifact-root", "s3://mine"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->default_artifact_root, "s3://mine");
  EXPECT_EQ(config->port, 81);
}

TEST_F(ContainerTest, AnEmptyPasswordOpensNothingWhateverTheDatabase) {
  Set("MLFLOW_TRACKING_PASSWORD", "");
  EXPECT_THAT(std::string(Start().status().message()),
              HasSubstr("MLFLOW_TRACKING_PASSWORD is set and empty"));
  Set("MLFLOW_BACKEND_STORE_URI", "postgresql://h/d");
  EXPECT_THAT(std::string(Start().status().message()),
              HasSubstr("MLFLOW_TRACKING_PASSWORD is set and empty"));
}

TEST_F(ContainerTest, AnyNameIsAnsweredWhereCallersSayWhoTheyAre) {
  Set("MLFLOW_BACKEND_STORE_URI", "postgresql://h/d");
  EXPECT_THAT(Start()->allowed_hosts, ElementsAre());
  Set("MLFLOW_TRACKING_USERNAME", "u");
  Set("MLFLOW_TRACKING_PASSWORD", "p");
  EXPECT_THAT(Start()->allowed_hosts, ElementsAre("*"));
}

}  // namespace
}  // namespace millstream::app
