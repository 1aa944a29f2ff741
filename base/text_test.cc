#include "base/text.h"

#include <string>

#include "gtest/gtest.h"

namespace millstream {
namespace {

TEST(TextTest, CountsCharactersNotBytes) {
  EXPECT_EQ(CountCharacters(""), 0u);
  EXPECT_EQ(CountCharacters("abc"), 3u);
  EXPECT_EQ(CountCharacters("äö☃😀"), 4u);
}

TEST(TextTest, BytesThatAreNoTextCountAsOneEach) {
  EXPECT_EQ(CountCharacters("\xff\xfe"), 2u);
  EXPECT_EQ(CountCharacters("\xe2\x98"), 2u);
  EXPECT_EQ(CountCharacters("\xc3(x"), 3u);
}

TEST(TextTest, CutsBetweenCharacters) {
  EXPECT_EQ(FirstCharacters("ä☃b", 2), "ä☃");
  EXPECT_EQ(FirstCharacters("ab", 5), "ab");
  EXPECT_EQ(FirstCharacters("ab", 0), "");
}

TEST(TextTest, LettersAndDigitsOfAllScriptsAreWordCharacters) {
  for (std::string_view text : {"a", "Z", "5", "_", "ü", "Ж", "中", "٣",
                                "²", "¹", "½", "₂", "①"}) {
    EXPECT_TRUE(IsWordCharacter(TakeCharacter(&text)));
  }
  for (std::string_view text : {" ", "-", ".", "/", "☃", "😀", "\xff", "\n"}) {
    EXPECT_FALSE(IsWordCharacter(TakeCharacter(&text)));
  }
}

TEST(TextTest, StripsSpaceOfAllScripts) {
  EXPECT_EQ(StripSpace(" \t a b \n"), "a b");
  EXPECT_EQ(StripSpace("\u00a0x\u3000"), "x");
  EXPECT_EQ(StripSpace("  "), "");
}

}  // namespace
}  // namespace millstream
