#include "server/validation.h"

#include <gtest/gtest.h>

#include <string>

#include "base/limits.h"

namespace millstream::server {
namespace {

TEST(CheckRunId, TakesWhatServersGiveOut) {
  EXPECT_TRUE(CheckRunId("0123456789abcdef0123456789abcdef").ok());
  EXPECT_TRUE(CheckRunId("a-b_c").ok());
  EXPECT_TRUE(CheckRunId(std::string(limits::kRunIdLengthMax, 'a')).ok());
}

TEST(CheckRunId, RefusesWhatCouldBeSomethingElse) {
  for (const char* id : {"", "-a", "_a", "a b", "a/b", "..", "a\n", "a'"}) {
    EXPECT_FALSE(CheckRunId(id).ok()) << id;
  }
  EXPECT_FALSE(CheckRunId(std::string(limits::kRunIdLengthMax + 1, 'a')).ok());
}

TEST(CheckExperimentName, HasALimitInCharacters) {
  std::string name;
  for (size_t i = 0; i < limits::kExperimentNameLengthMax; ++i) name += "ü";
  EXPECT_TRUE(CheckExperimentName(name).ok());
  EXPECT_FALSE(CheckExperimentName(name + "ü").ok());
  EXPECT_FALSE(CheckExperimentName("").ok());
}

TEST(CheckArtifactLocation, TakesStoresAndFolders) {
  for (const char* location :
       {"s3://bucket/x", "s3://bucket/x/", "s3://bucket/x?a=b", "/data/x",
        "file:///data/x", "mlflow-artifacts:/x", "gs://b", "dbfs:/x"}) {
    EXPECT_TRUE(CheckArtifactLocation(location).ok()) << location;
    EXPECT_FALSE(LeadsUpwards(location)) << location;
  }
}

TEST(CheckArtifactLocation, RefusesFragmentsHostsAndHiddenDots) {
  for (const char* location :
       {"s3://bucket/x#f", "http://host/x", "HTTPS://host/x", "ftp://host/x",
        "mlflow-artifacts://host/x", "runs:/x", "s3://b/x?a=../y",
        "s3://b/x?a=%2e%2e", "s3://b/x?a=%252e%252e", "s3://b/x\ny"}) {
    EXPECT_FALSE(CheckArtifactLocation(location).ok()) << location;
  }
  const std::string longest =
      "s3://" + std::string(limits::kArtifactLocationLengthMax - 5, 'x');
  EXPECT_TRUE(CheckArtifactLocation(longest).ok());
  EXPECT_FALSE(CheckArtifactLocation(longest + "x").ok());
}

TEST(LeadsUpwards, SeesThroughEscapes) {
  for (const char* location :
       {"s3://b/../x", "/data/..", "file:///tmp/%2e%2e/x",
        "file:///tmp/%252e%252e/x", "x/..%2fy"}) {
    EXPECT_TRUE(LeadsUpwards(location)) << location;
  }
  EXPECT_FALSE(LeadsUpwards("/data/a..b"));
}

TEST(CheckExperimentTag, HasLimits) {
  const std::string key(limits::kExperimentTagKeyLengthMax, 'k');
  const std::string value(limits::kExperimentTagValueLengthMax, 'v');
  EXPECT_TRUE(CheckExperimentTag(key, value).ok());
  EXPECT_FALSE(CheckExperimentTag(key + "k", value).ok());
  EXPECT_FALSE(CheckExperimentTag(key, value + "v").ok());
  EXPECT_FALSE(CheckExperimentTag("../up", "v").ok());
}

TEST(CheckRunTag, CutsLongValuesAndRefusesLongKeys) {
  const std::string value(limits::kTagValueLengthMax + 1, 'v');
  EXPECT_EQ(CheckRunTag("", "k", value)->size(), limits::kTagValueLengthMax);
  EXPECT_FALSE(
      CheckRunTag("", std::string(limits::kKeyLengthMax + 1, 'k'), "v").ok());
}

TEST(CheckParam, CutsLongValuesByTheCharacter) {
  std::string value;
  for (size_t i = 0; i < limits::kParamValueLengthMax; ++i) value += "ü";
  EXPECT_EQ(*CheckParam("", "k", value + "ü"), value);
  EXPECT_FALSE(CheckParam("params[1]", "a//b", "v").ok());
}

TEST(CheckMaxResults, IsAPositiveNumberUpToTheLimit) {
  EXPECT_TRUE(CheckMaxResults(1, 10).ok());
  EXPECT_TRUE(CheckMaxResults(10, 10).ok());
  EXPECT_FALSE(CheckMaxResults(0, 10).ok());
  EXPECT_FALSE(CheckMaxResults(-1, 10).ok());
  EXPECT_FALSE(CheckMaxResults(11, 10).ok());
}

}  // namespace
}  // namespace millstream::server
