#include "base/names.h"

#include "base/error.h"
#include "gtest/gtest.h"

namespace millstream {
namespace {

TEST(NamesTest, NormalizesPathsByText) {
  EXPECT_EQ(NormalizePath(""), ".");
  EXPECT_EQ(NormalizePath("a/./b//c/"), "a/b/c");
  EXPECT_EQ(NormalizePath("a/../.."), "..");
  EXPECT_EQ(NormalizePath("/../a"), "/a");
  EXPECT_EQ(NormalizePath("//a"), "//a");
  EXPECT_EQ(NormalizePath("///a"), "/a");
}

TEST(NamesTest, KeysMayHoldLettersOfAnyScriptAndAFewSigns) {
  for (const char* key :
       {"a", "a b", "a:b", "a/b", "a.b-c_d", "ü", " a ", "中文", "..."}) {
    const bool allowed = std::string_view(key) != "...";
    EXPECT_EQ(CheckKey("key", key).ok(), allowed) << key;
  }
}

TEST(NamesTest, KeysWithOtherSignsAreRefused) {
  for (const char* key : {"a%", "a\"b", "a,b", "☃", "a\nb", "a*"}) {
    EXPECT_EQ(GetErrorCode(CheckKey("key", key)), v1::INVALID_PARAMETER_VALUE)
        << key;
  }
}

TEST(NamesTest, KeysThatAreAmbiguousPathsAreRefused) {
  for (const char* key :
       {"", ".", "..", "../a", "a/", "/a", "a//b", "a/../b", "./a"}) {
    EXPECT_FALSE(CheckKey("key", key).ok()) << key;
  }
}

TEST(NamesTest, LengthIsInCharacters) {
  EXPECT_TRUE(CheckLength("key", 3, "☃☃☃").ok());
  EXPECT_FALSE(CheckLength("key", 3, "☃☃☃☃").ok());
}

}  // namespace
}  // namespace millstream
