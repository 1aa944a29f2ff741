#include "app/backup/manifest.h"

#include <string>

#include "gtest/gtest.h"

namespace millstream::app {
namespace {

Manifest Example() {
  return {.version = "0.1.0",
          .time = "2026-01-31T12:00:00Z",
          .files = {{"millstream.db", {4096, std::string(64, 'a')}},
                    {"artifacts/a b\n\xc3\xa4.txt",
                     {0, std::string(64, 'b')}}}};
}

TEST(ManifestTest, IsReadAsItWasWritten) {
  const auto read = ParseManifest(EncodeManifest(Example()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->version, "0.1.0");
  EXPECT_EQ(read->time, "2026-01-31T12:00:00Z");
  ASSERT_EQ(read->files.size(), 2u);
  EXPECT_EQ(read->files[1].path, "artifacts/a b\n\xc3\xa4.txt");
  EXPECT_EQ(read->files[0].file.bytes, 4096u);
  EXPECT_EQ(read->files[0].file.sha256, std::string(64, 'a'));
  EXPECT_EQ(read->Bytes(), 4096u);
}

TEST(ManifestTest, IsRefusedUnlessItIsWhole) {
  const std::string whole = EncodeManifest(Example());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ParseManifest(whole.substr(0, size)).ok()) << size;
  }
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] ^= 1;
    EXPECT_FALSE(ParseManifest(damaged).ok()) << i;
  }
}

TEST(ManifestTest, NamesNothingOutsideOfTheFolder) {
  for (const char* path : {"../x", "/x", "a/../../x", "a//b", ""}) {
    Manifest manifest = Example();
    manifest.files[0].path = path;
    EXPECT_FALSE(ParseManifest(EncodeManifest(manifest)).ok()) << path;
  }
}

TEST(ManifestTest, OfALaterFormatSaysSo) {
  EXPECT_TRUE(absl::IsFailedPrecondition(
      ParseManifest("millstream backup 2\nsomething\n").status()));
}

TEST(ManifestTest, SaysHowAFileDiffers) {
  const HashedFile before{3, std::string(64, 'a')};
  EXPECT_EQ(Difference(before, before), "");
  EXPECT_NE(Difference({4, before.sha256}, before), "");
  EXPECT_NE(Difference({3, std::string(64, 'b')}, before), "");
}

}  // namespace
}  // namespace millstream::app
