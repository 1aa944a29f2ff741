#include "gateway/path_template.h"

#include <string>

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

// What `path` gives for the variables of `text`: "a=1 b=2", or "no".
std::string Match(std::string_view text, std::string_view path) {
  const auto parsed = PathTemplate::Parse(text);
  if (!parsed.ok()) return std::string(parsed.status().message());
  PathVariables values;
  if (!parsed->Match(path, &values)) return "no";
  std::string found;
  for (const auto& [name, value] : values) {
    found += found.empty() ? "" : " ";
    found += std::string(name) + "=" + value;
  }
  return found;
}

TEST(PathTemplate, MatchesLiteralsExactly) {
  EXPECT_EQ(Match("/a/b", "/a/b"), "");
  for (const char* path :
       {"/a", "/a/b/", "/a/b/c", "/a//b", "/A/b", "a/b", "", "/", "//a/b"}) {
    EXPECT_EQ(Match("/a/b", path), "no") << path;
  }
  EXPECT_EQ(Match("/", "/"), "");
  EXPECT_EQ(Match("/", "//"), "no");
  EXPECT_EQ(Match("/p/", "/p/"), "");
  EXPECT_EQ(Match("/p/", "/p"), "no");
}

TEST(PathTemplate, AVariableIsOneSegment) {
  EXPECT_EQ(Match("/m/{id}/tags/{key}", "/m/1/tags/a b"), "id=1 key=a b");
  EXPECT_EQ(Match("/m/{id}", "/m/"), "no");
  EXPECT_EQ(Match("/m/{id}", "/m/1/2"), "no");
  EXPECT_EQ(Match("/m/{id}", "/m"), "no");
}

TEST(PathTemplate, ARestIsAllThatIsLeft) {
  EXPECT_EQ(Match("/f/{path=**}", "/f/a/b//c/"), "path=a/b//c/");
  EXPECT_EQ(Match("/f/{path=**}", "/f//etc"), "path=/etc");
  EXPECT_EQ(Match("/f/{path=**}", "/f/"), "no");
  EXPECT_EQ(Match("/f/{path=**}", "/f"), "no");
}

TEST(PathTemplate, BadTemplatesAreExplained) {
  for (const char* text :
       {"", "a", "//", "/a//b", "/{", "/}", "/{}", "/{1a}", "/{a b}",
        "/{a=*}", "/{a=**}/b", "/{a}/{a}", "/a%20b", "/a?b", "/a#b",
        "/x{a}"}) {
    const auto parsed = PathTemplate::Parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(parsed.status().message()).find("column"),
              std::string::npos);
  }
}

TEST(PathTemplate, OverlapIsFound) {
  const auto overlap = [](std::string_view a, std::string_view b) {
    return PathTemplate::Parse(a)->Overlaps(*PathTemplate::Parse(b));
  };
  EXPECT_TRUE(overlap("/a/b", "/a/b"));
  EXPECT_TRUE(overlap("/a/b", "/a/{x}"));
  EXPECT_TRUE(overlap("/a/{x}", "/{y}/b"));
  EXPECT_TRUE(overlap("/a/{x=**}", "/a/b/c"));
  EXPECT_FALSE(overlap("/a/b", "/a/c"));
  EXPECT_FALSE(overlap("/a", "/a/b"));
}

}  // namespace
}  // namespace millstream::gateway
