#include "server/registry_names.h"

#include <string>

#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::server {
namespace {

TEST(RegistryNamesTest, ModelNamesMayHoldAlmostEverything) {
  for (const char* name : {"a", " spaced ", "ünïcödé", "a.b-c_d", "100%",
                           "quote'", "a\\b", "a\nb"}) {
    EXPECT_TRUE(CheckModelName("name", name).ok()) << name;
  }
}

TEST(RegistryNamesTest, ModelNamesThatAreBlankOrPathsAreRefused) {
  for (const char* name : {"", "  ", "\u3000", "a/b", "a:b", ".", "..",
                           "..a"}) {
    EXPECT_EQ(GetErrorCode(CheckModelName("name", name)),
              v1::INVALID_PARAMETER_VALUE)
        << name;
  }
}

TEST(RegistryNamesTest, TextHasALimit) {
  const std::string longest(limits::kRegistryTextLengthMax, 'x');
  EXPECT_TRUE(CheckModelName("name", longest).ok());
  EXPECT_FALSE(CheckModelName("name", longest + "x").ok());
  EXPECT_FALSE(CheckRegistryText("description", longest + "x").ok());
  EXPECT_FALSE(CheckLoggedModelName(longest + "x").ok());
}

TEST(RegistryNamesTest, AliasesAreWords) {
  for (const char* alias : {"best", "Worst-1_x", "1", "v", "vv1", "ü"}) {
    EXPECT_TRUE(CheckNewAlias(alias).ok()) << alias;
  }
  for (const char* alias : {"", "a b", "a.b", "a/b", "a@b"}) {
    EXPECT_FALSE(CheckAlias(alias).ok()) << alias;
  }
  EXPECT_TRUE(CheckAlias(std::string(limits::kAliasLengthMax, 'x')).ok());
  EXPECT_FALSE(CheckAlias(std::string(limits::kAliasLengthMax + 1, 'x')).ok());
}

TEST(RegistryNamesTest, AliasesThatNameVersionsCannotBeSet) {
  for (const char* alias : {"latest", "LATEST", "v1", "V22"}) {
    EXPECT_TRUE(CheckAlias(alias).ok()) << alias;
    EXPECT_FALSE(CheckNewAlias(alias).ok()) << alias;
  }
}

TEST(RegistryNamesTest, TagsHaveLimits) {
  const std::string key(limits::kKeyLengthMax, 'k');
  const std::string value(limits::kRegistryTagValueLengthMax, 'v');
  EXPECT_TRUE(CheckRegistryTag(key, value).ok());
  EXPECT_FALSE(CheckRegistryTag(key + "k", value).ok());
  EXPECT_FALSE(CheckRegistryTag(key, value + "v").ok());
  EXPECT_FALSE(CheckRegistryTag("", "v").ok());
  EXPECT_FALSE(CheckRegistryTag("a/../b", "v").ok());
}

TEST(RegistryNamesTest, VersionsAreReadAsPythonReadsIntegers) {
  for (const char* text : {"1", "01", "+1", " 1 ", "0_1"}) {
    absl::StatusOr<int64_t> version = ParseVersion(text);
    ASSERT_TRUE(version.ok()) << text;
    EXPECT_EQ(*version, 1) << text;
  }
  EXPECT_EQ(*ParseVersion("-1"), -1);
  EXPECT_EQ(*ParseVersion("1_000"), 1000);
  for (const char* text : {"", "one", "1.0", "1_", "_1", "1__0", "- 1", "1 2",
                           "+", "0x1", "99999999999999999999"}) {
    EXPECT_EQ(GetErrorCode(ParseVersion(text).status()),
              v1::INVALID_PARAMETER_VALUE)
        << text;
  }
}

TEST(RegistryNamesTest, StagesHaveOneSpelling) {
  EXPECT_EQ(*ParseStage("production"), "Production");
  EXPECT_EQ(*ParseStage("NONE"), "None");
  EXPECT_FALSE(ParseStage("Deleted_Internal").ok());
  EXPECT_FALSE(ParseStage("").ok());
}

TEST(RegistryNamesTest, LoggedModelNamesAreNoPaths) {
  EXPECT_TRUE(CheckLoggedModelName(" ü ").ok());
  for (const char* name : {"", "a/b", "a:b", "a.b", "a%b", "a\"b", "a'b"}) {
    EXPECT_FALSE(CheckLoggedModelName(name).ok()) << name;
  }
}

}  // namespace
}  // namespace millstream::server
