#include "server/media_type.h"

#include <unistd.h>

#include "gtest/gtest.h"

namespace millstream::server {
namespace {

TEST(MediaTypeTest, TextIsShownAsText) {
  for (const char* name : {"a.txt", "a.json", "MLmodel", "mlproject", "a.yaml",
                           "a.py", "a.js", "a.ipynb", "a.b.csv", "TXT.md"}) {
    EXPECT_EQ(MediaTypeOf(name), "text/plain") << name;
  }
}

TEST(MediaTypeTest, KnownExtensions) {
  EXPECT_EQ(MediaTypeOf("a.png"), "image/png");
  EXPECT_EQ(MediaTypeOf("a.PNG"), "image/png");
  EXPECT_EQ(MediaTypeOf("a.webp"), "image/webp");
  EXPECT_EQ(MediaTypeOf("a.html"), "text/html");
  EXPECT_EQ(MediaTypeOf("a.svg"), "image/svg+xml");
  EXPECT_EQ(MediaTypeOf("a.TXT"), "text/plain");
  EXPECT_EQ(MediaTypeOf("a.3g2"), "audio/3gpp2");
  EXPECT_EQ(MediaTypeOf("a.zip"), "application/zip");
}

TEST(MediaTypeTest, CompressedFilesAreWhatTheyHold) {
  EXPECT_EQ(MediaTypeOf("a.tar.gz"), "application/x-tar");
  EXPECT_EQ(MediaTypeOf("a.tgz"), "application/x-tar");
  EXPECT_EQ(MediaTypeOf("a.svgz"), "image/svg+xml");
  EXPECT_EQ(MediaTypeOf("a.gz"), "application/octet-stream");
}

TEST(MediaTypeTest, TheSystemKnowsMore) {
  if (access("/etc/mime.types", R_OK) != 0) GTEST_SKIP();
  EXPECT_EQ(MediaTypeOf("a.deb"), "application/vnd.debian.binary-package");
  EXPECT_EQ(MediaTypeOf("a.geojson"), "application/geo+json");
}

TEST(MediaTypeTest, TheRestIsBytes) {
  for (const char* name : {"", ".", "..", ".hidden", "no_ext", "a.parquet",
                           "a.bin", "a.", "a.unknown", ".json", "zip"}) {
    EXPECT_EQ(MediaTypeOf(name), "application/octet-stream") << name;
  }
}

}  // namespace
}  // namespace millstream::server
