#include "gateway/graphql/parser.h"

#include <string>

#include "base/error.h"
#include "base/limits.h"
#include "base/str_cat.h"
#include "gateway/graphql/limits_check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::gateway::graphql {
namespace {

using testing::HasSubstr;

std::string ErrorOf(std::string_view text) {
  absl::StatusOr<Document> document = ParseDocument(text);
  if (document.ok()) return "";
  EXPECT_EQ(GetErrorCode(document.status()), v1::INVALID_PARAMETER_VALUE);
  return std::string(GetPublicMessage(document.status()));
}

// The value of argument "a" of the first field.
Value ParsedValue(std::string_view value) {
  absl::StatusOr<Document> document =
      ParseDocument(StrCat("{ f(a: ", value, ") }"));
  EXPECT_TRUE(document.ok()) << document.status();
  if (!document.ok()) return Value();
  return document->operations[0].selections[0].arguments[0].value;
}

TEST(GraphqlParserTest, ReadsOperationsAndFragments) {
  absl::StatusOr<Document> document = ParseDocument(
      "# comment\n"
      "query Q($a: [Int!]! = [1], $b: T @d) @c(x: 1) {\n"
      "  alias: field(arg: $a) @d { sub, ...f ... on T { x } ... @d { y } }\n"
      "}\n"
      "fragment f on T { z }\n"
      "mutation M { m } subscription { s }");
  ASSERT_TRUE(document.ok()) << document.status();
  ASSERT_EQ(document->operations.size(), 3u);
  const Operation& query = document->operations[0];
  EXPECT_EQ(query.name, "Q");
  EXPECT_EQ(query.variables[0].type.ToString(), "[Int!]!");
  EXPECT_TRUE(query.variables[0].fallback.has_value());
  EXPECT_EQ(query.directives[0].name, "c");
  const Selection& field = query.selections[0];
  EXPECT_EQ(field.key(), "alias");
  EXPECT_EQ(field.name, "field");
  ASSERT_EQ(field.selections.size(), 4u);
  EXPECT_EQ(field.selections[1].kind, Selection::Kind::kSpread);
  EXPECT_EQ(field.selections[2].on, "T");
  EXPECT_FALSE(field.selections[3].on.has_value());
  EXPECT_EQ(document->operations[1].kind, Operation::Kind::kMutation);
  EXPECT_EQ(document->operations[2].kind, Operation::Kind::kSubscription);
  EXPECT_NE(document->FindFragment("f"), nullptr);
}

TEST(GraphqlParserTest, ReadsValues) {
  EXPECT_EQ(ParsedValue("-12").text, "-12");
  EXPECT_EQ(ParsedValue("0").kind, Value::Kind::kInt);
  EXPECT_EQ(ParsedValue("1.5e-3").kind, Value::Kind::kFloat);
  EXPECT_EQ(ParsedValue("true").kind, Value::Kind::kBoolean);
  EXPECT_EQ(ParsedValue("null").kind, Value::Kind::kNull);
  EXPECT_EQ(ParsedValue("ALL").kind, Value::Kind::kEnum);
  EXPECT_EQ(ParsedValue("$v").kind, Value::Kind::kVariable);
  EXPECT_EQ(ParsedValue("[1 [2] {a: 3}]").items.size(), 3u);
  EXPECT_EQ(ParsedValue("{a: 1, b: {c: []}}").fields[1].name, "b");
}

TEST(GraphqlParserTest, ReadsStrings) {
  EXPECT_EQ(ParsedValue(R"("")").text, "");
  EXPECT_EQ(ParsedValue(R"("a\"b\\c\/\n\t")").text, "a\"b\\c/\n\t");
  EXPECT_EQ(ParsedValue(R"("\u00fc\u{1F600}\uD83D\uDE00")").text,
            "\xC3\xBC\xF0\x9F\x98\x80\xF0\x9F\x98\x80");
  EXPECT_EQ(
      ParsedValue("\"\"\"\n    one\n      two\n\n    \\\"\"\"\n  \"\"\"").text,
      "one\n  two\n\n\"\"\"");
}

TEST(GraphqlParserTest, RefusesWhatIsNoQuery) {
  for (const char* text : {"",
                           "   # nothing",
                           "{",
                           "}",
                           "{ }",
                           "{ a(",
                           "{ a() }",
                           "{ a(b:) }",
                           "query",
                           "query Q(",
                           "query Q() { a }",
                           "nonsense { a }",
                           "{ a: }",
                           "{ ... }",
                           "{ a(b: $) }",
                           "fragment on on T { a }",
                           "fragment f { a }",
                           "{ a(b: \"x) }",
                           "{ a(b: \"\\q\") }",
                           "{ a(b: \"\\u12\") }",
                           "{ a(b: \"\\uD800\") }",
                           "{ a(b: \"\\u{110000}\") }",
                           "{ a(b: \"\\u{}\") }",
                           "{ a(b: \"\"\"x\"\") }",
                           "{ a(b: 01) }",
                           "{ a(b: 1.) }",
                           "{ a(b: 1x) }",
                           "{ a(b: -) }",
                           "{ a(b: .5) }",
                           "{ a(b: 1e) }",
                           "{ a % b }",
                           "{ a } \xFF",
                           "query Q($a: Int = $b) { a }",
                           "query Q($a: [Int) { a }"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("GraphQL syntax error")) << text;
  }
  EXPECT_THAT(ErrorOf("{\n  a(b: ?)\n}"), HasSubstr("line 2, column 8"));
}

TEST(GraphqlParserTest, BoundsHold) {
  const auto repeat = [](std::string_view text, size_t times) {
    std::string all;
    for (size_t i = 0; i < times; ++i) all += text;
    return all;
  };
  EXPECT_THAT(ErrorOf(std::string(limits::kGraphqlQueryBytesMax + 1, ' ')),
              HasSubstr("bytes"));
  EXPECT_THAT(ErrorOf("{ " + repeat("a ", limits::kGraphqlTokensMax) + "}"),
              HasSubstr("tokens"));
  EXPECT_EQ(ErrorOf("{ " + repeat("a ", limits::kGraphqlTokensMax - 2) + "}"),
            "");
  const int deep = limits::kGraphqlNestingMax;
  EXPECT_EQ(ErrorOf(repeat("{a", deep) + repeat("}", deep)), "");
  EXPECT_THAT(ErrorOf(repeat("{a", deep + 1) + repeat("}", deep + 1)),
              HasSubstr("deeper"));
  EXPECT_THAT(ErrorOf("{ a(b: " + repeat("[", 5000) + ") }"),
              HasSubstr("deeper"));
  EXPECT_THAT(ErrorOf("query Q($a: " + repeat("[", 5000) + ") { a }"),
              HasSubstr("deeper"));
  EXPECT_THAT(ErrorOf(repeat("fragment f on T { a } ",
                             limits::kGraphqlDefinitionsMax + 1)),
              HasSubstr("operations and fragments"));
}

std::string LimitOf(std::string_view text) {
  absl::StatusOr<Document> document = ParseDocument(text);
  EXPECT_TRUE(document.ok()) << document.status();
  return CheckLimits(*document);
}

// `count` times `text`.
std::string Times(size_t count, std::string_view text) {
  std::string all;
  for (size_t i = 0; i < count; ++i) StrAppend(&all, text, " ");
  return all;
}

TEST(GraphqlLimitsTest, CountWhatFragmentsAdd) {
  constexpr size_t kRoots = limits::kGraphqlRootFieldsMax;
  const std::string roots = StrCat(kRoots + 1, " root fields");
  EXPECT_EQ(LimitOf(StrCat("{ ", Times(kRoots, "a"), "}")), "");
  EXPECT_THAT(LimitOf(StrCat("{ ", Times(kRoots + 1, "a"), "}")),
              HasSubstr(roots));
  EXPECT_THAT(LimitOf(StrCat("{ ", Times(kRoots - 1, "a"), "...f }",
                             " fragment f on Q { a a }")),
              HasSubstr(roots));
}

TEST(GraphqlLimitsTest, CountAliasesOfALevelAndFieldsOfAll) {
  constexpr int kAliases = limits::kGraphqlAliasesMax;
  EXPECT_EQ(LimitOf(StrCat("{ a { ", Times(kAliases, "x: b"), "} }")), "");
  EXPECT_THAT(LimitOf(StrCat("{ a { ", Times(kAliases + 1, "x: b"), "} }")),
              HasSubstr(StrCat(kAliases + 1, " aliases")));
  constexpr int kFields = limits::kGraphqlSelectionsMax;
  EXPECT_EQ(LimitOf(StrCat("{ a { ", Times(kFields - 1, "b"), "} }")), "");
  EXPECT_THAT(LimitOf(StrCat("{ a { ", Times(kFields, "b"), "} }")),
              HasSubstr(StrCat("selections of ", kFields)));
}

TEST(GraphqlLimitsTest, CountLevels) {
  constexpr int kDepth = limits::kGraphqlDepthMax;
  EXPECT_EQ(LimitOf(StrCat(Times(kDepth, "{a"), Times(kDepth, "}"))), "");
  EXPECT_THAT(LimitOf(StrCat(Times(kDepth + 1, "{a"), Times(kDepth + 1, "}"))),
              HasSubstr(StrCat("depth of ", kDepth)));
}

TEST(GraphqlLimitsTest, FragmentsThatSpreadEachOtherEnd) {
  EXPECT_EQ(LimitOf("{ ...f } fragment f on Q { ...g a }"
                    " fragment g on Q { ...f b }"),
            "");
  EXPECT_THAT(LimitOf("{ ...f } fragment f on Q { a { ...f } }"),
              HasSubstr("depth"));
  EXPECT_THAT(LimitOf("{ ...f } fragment f on Q { a { ...f } b { ...f } "
                      "c { ...f } d { ...f } }"),
              HasSubstr("exceeds maximum"));
}

}  // namespace
}  // namespace millstream::gateway::graphql
