#include "storage/artifact_path.h"

#include <string>
#include <utility>

#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::storage {
namespace {

std::string Canonical(std::string_view sent) {
  absl::StatusOr<ArtifactPath> path = ArtifactPath::Parse(sent);
  return path.ok() ? path->canonical() : "refused";
}

std::string Text(std::string_view sent) {
  absl::StatusOr<ArtifactPath> path = ArtifactPath::Parse(sent);
  return path.ok() ? path->text() : "refused";
}

TEST(ArtifactPathTest, TakesRelativePaths) {
  EXPECT_EQ(Canonical("a"), "a");
  EXPECT_EQ(Canonical("a/b.txt"), "a/b.txt");
  EXPECT_EQ(Canonical(""), "");
  EXPECT_EQ(Canonical("."), "");
  EXPECT_EQ(Canonical("a/"), "a");
  EXPECT_EQ(Canonical("a//b/./c"), "a/b/c");
  EXPECT_EQ(Canonical("./1/x"), "1/x");
  EXPECT_EQ(Canonical(".../..a"), ".../..a");
}

TEST(ArtifactPathTest, KeepsTheTextAsItWasSent) {
  EXPECT_EQ(Text("dir/"), "dir/");
  EXPECT_EQ(Text("a//b"), "a//b");
  EXPECT_EQ(Text("with%20space"), "with space");
}

TEST(ArtifactPathTest, RefusesWhatLeavesTheRoot) {
  for (const char* sent : {"..",
                           "../x",
                           "a/../b",
                           "a/..",
                           "a/../../b",
                           "%2e%2e/x",
                           "..%2fx",
                           "%2e%2e%2fx",
                           "%252e%252e%252fx",
                           "%25252e%25252e/x",
                           ".%2e/x",
                           "a/.\t./b",
                           "a/.%0a./b",
                           "/etc",
                           "%2Fetc",
                           "%252Fetc",
                           "///etc",
                           "\t/etc",
                           " /etc",
                           "%00/etc",
                           "//host/x"}) {
    EXPECT_EQ(Canonical(sent), "refused") << sent;
  }
}

TEST(ArtifactPathTest, RefusesUrisAndPathsOfWindows) {
  for (const char* sent :
       {"file:///etc", "file:%2F%2F%2Fetc", "FILE:/etc", "file:etc", "C:\\x",
        "c:/x", "C%3A%5Cx", "\\\\host\\share", "dir#frag", "hash%23.txt",
        "hash%2523.txt"}) {
    EXPECT_EQ(Canonical(sent), "refused") << sent;
  }
}

TEST(ArtifactPathTest, RefusesWhatLeavesTheFolderOfAClientOnWindows) {
  for (const char* sent :
       {"..\\x", "a\\..\\b", "a\\..", "..%5cx", "..%255cx", ".%2e%5Cx",
        "dir/..\\..\\x", "a\\..\\..\\b/c", "\\x", "%5cx", "\\", "dir/\\x",
        "dir/\\\\host\\x", "dir/C:\\x", "dir/c%3a%5cx", "\\../x"}) {
    EXPECT_EQ(Canonical(sent), "refused") << sent;
  }
  for (const char* sent : {"a\\b", "a\\...\\b", "..a\\b..", "a\\.\\b", "a\\"}) {
    EXPECT_EQ(Canonical(sent), sent);
  }
}

TEST(ArtifactPathTest, NamesMayLookOdd) {
  EXPECT_EQ(Canonical("a\\b"), "a\\b");
  EXPECT_EQ(Canonical("dir?query"), "dir?query");
  EXPECT_EQ(Canonical("a+b&c=d"), "a+b&c=d");
  EXPECT_EQ(Canonical("100%"), "100%");
  EXPECT_EQ(Canonical("semi%3Bcolon.txt"), "semi;colon.txt");
  EXPECT_EQ(Canonical("%C3%BC.txt"), "\xC3\xBC.txt");
  EXPECT_EQ(Canonical("%F0%9F%98%80"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(Canonical("c:x"), "c:x");
  EXPECT_EQ(Canonical("s3://b"), "s3:/b");
}

TEST(ArtifactPathTest, IllFormedUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(Canonical("per%25cent.txt"), "per\xEF\xBF\xBDnt.txt");
  EXPECT_EQ(Canonical("%ff"), "\xEF\xBF\xBD");
  EXPECT_EQ(Canonical("%C0%AE%C0%AE"),
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(Canonical("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(Canonical("%E2%82"), "\xEF\xBF\xBD");
}

TEST(ArtifactPathTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(Canonical("a%00b"), "a%00b");
  EXPECT_EQ(Canonical(std::string("a\0b", 3)), "a%00b");
  EXPECT_EQ(Canonical("a%1fb%7f"), "a%1fb%7f");
  EXPECT_EQ(Canonical("a%0d%0ab"), "ab");
}

TEST(ArtifactPathTest, UrlLeftoversAtTheEndAreDropped) {
  EXPECT_EQ(Canonical("a?"), "a");
  EXPECT_EQ(Canonical("a#"), "a");
  EXPECT_EQ(Canonical("a;"), "a");
  EXPECT_EQ(Canonical("?"), "");
}

TEST(ArtifactPathTest, GivesUpOnEndlessEncoding) {
  std::string sent = "a";
  for (int i = 0; i < 30; ++i) {
    std::string encoded;
    for (char c : sent) {
      encoded += c == '%' ? "%25" : std::string(1, c);
    }
    sent = i == 0 ? "%61" : encoded;
  }
  EXPECT_EQ(Canonical(sent), "refused");
}

TEST(ArtifactPathTest, LengthsAreLimited) {
  const std::string name(limits::kArtifactNameBytesMax, 'n');
  EXPECT_EQ(Canonical(name), name);
  EXPECT_EQ(Canonical(name + "n"), "refused");
  std::string path;
  while (path.size() <= limits::kArtifactPathBytesMax) path += "abc/";
  EXPECT_EQ(Canonical(path), "refused");
  path = path.substr(0, limits::kArtifactPathBytesMax - 1);
  EXPECT_NE(Canonical(path), "refused");
  EXPECT_EQ(Canonical(std::string(limits::kArtifactPathSentBytesMax, '/')),
            "refused");
  std::string encoded;
  while (encoded.size() <= limits::kArtifactPathSentBytesMax) encoded += "%2e";
  EXPECT_EQ(Canonical(encoded), "refused");
}

TEST(ArtifactPathTest, JoinsPaths) {
  const auto join = [](std::string_view a, std::string_view b) {
    absl::StatusOr<ArtifactPath> joined =
        ArtifactPath::Parse(a)->Join(*ArtifactPath::Parse(b));
    return joined.ok() ? std::make_pair(joined->text(), joined->canonical())
                       : std::make_pair<std::string, std::string>("no", "no");
  };
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(join("1/run", "a"), Pair("1/run/a", "1/run/a"));
  EXPECT_EQ(join("", "a"), Pair("a", "a"));
  EXPECT_EQ(join("r", "dir/"), Pair("r/dir/", "r/dir"));
  EXPECT_EQ(join("r", ""), Pair("r/", "r"));
  std::string half;
  while (half.size() < limits::kArtifactPathBytesMax - 8) half += "abcdefg/";
  EXPECT_EQ(join(half, half), Pair("no", "no"));
}

TEST(ArtifactPathTest, KnowsNamesAndReserve) {
  EXPECT_EQ(ArtifactPath::Parse("a/b/")->name(), "b");
  EXPECT_EQ(ArtifactPath::Parse("")->name(), "");
  EXPECT_TRUE(ArtifactPath::Parse("a/.artifact.uploading.x/b")->IsReserved());
  EXPECT_FALSE(ArtifactPath::Parse("a/x.artifact.uploading.")->IsReserved());
}

TEST(ArtifactPathTest, KnowsWhatCanNameANewFile) {
  for (const char* path : {"a", "a/b", "a//b", "a b/c", ".hidden", "a/..b"}) {
    EXPECT_TRUE(ArtifactPath::Parse(path)->NamesFile()) << path;
  }
  for (const char* path :
       {"", ".", "a/", "a/.", "./a", "a/./b", "a//b/c", "a/b/."}) {
    EXPECT_FALSE(ArtifactPath::Parse(path)->NamesFile()) << path;
  }
}

}  // namespace
}  // namespace millstream::storage
