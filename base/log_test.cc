#include "base/log.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream {
namespace {

using ::testing::HasSubstr;
using ::testing::Lt;
using ::testing::Not;

constexpr int64_t kTimeMs = 1'769'860'800'123;

std::string Text(std::string_view message,
                 std::initializer_list<LogField> fields = {}) {
  return LogText(LogFormat::kText, Severity::kInfo, kTimeMs, message, fields);
}

std::string Json(std::string_view message,
                 std::initializer_list<LogField> fields = {}) {
  return LogText(LogFormat::kJson, Severity::kWarning, kTimeMs, message,
                 fields);
}

TEST(LogTest, TextHasTimeSeverityMessageAndFields) {
  EXPECT_EQ(Text("request", {{"method", "GET"}, {"status", 200}, {"ms", 0.5}}),
            "2026-01-31T12:00:00.123Z INFO  request method=GET status=200 "
            "ms=0.5");
}

TEST(LogTest, JsonHasThemAsMembers) {
  EXPECT_EQ(Json("request", {{"method", "GET"}, {"status", 200}, {"ms", 0.5}}),
            R"({"time":"2026-01-31T12:00:00.123Z","severity":"WARN",)"
            R"("message":"request","method":"GET","status":200,"ms":0.5})");
}

TEST(LogTest, NobodyForgesALineOrAField) {
  EXPECT_THAT(Text("one\ntwo"), HasSubstr("one\\ntwo"));
  EXPECT_THAT(Text("m", {{"path", "/a status=500"}}),
              HasSubstr(R"(path="/a status=500")"));
  EXPECT_THAT(Text("m", {{"path", R"(a"b)"}}), HasSubstr(R"(path="a\"b")"));
  EXPECT_THAT(Json("m", {{"path", "a\"\nb"}}),
              HasSubstr(R"("path":"a\"\nb")"));
  EXPECT_THAT(Text("m", {{"path", ""}}), HasSubstr(R"(path="")"));
}

TEST(LogTest, LongTextIsCutBetweenCharacters) {
  std::string text(4095, 'x');
  text += "\xc3\xa4 and more";
  for (const std::string& line : {Text(text), Json("m", {{"t", text}})}) {
    EXPECT_THAT(line.size(), Lt(4300));
    EXPECT_THAT(line, Not(HasSubstr("\xc3")));
    EXPECT_THAT(line, Not(HasSubstr("more")));
  }
}

}  // namespace
}  // namespace millstream
