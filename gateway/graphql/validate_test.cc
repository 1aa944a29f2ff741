#include "gateway/graphql/validate.h"

#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/str_cat.h"
#include "gateway/graphql/parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millstream::gateway::graphql {
namespace {

std::vector<std::string> Errors(std::string_view query) {
  absl::StatusOr<Document> document = ParseDocument(query);
  EXPECT_TRUE(document.ok()) << query << document.status();
  return Validate(Schema::Get(), *document);
}

TEST(GraphqlValidateTest, TakesWhatMakesSense) {
  for (const char* query :
       {R"({ test(inputString: "x") { output } })",
        R"(query Q($d: MlflowGetRunInput!) @component(name: "x") {
             mlflowGetRun(input: $d) { run { info { runId } } } })",
        R"(query Q($r: [String!]) {
             mlflowSearchRuns(input: {experimentIds: $r, maxResults: 5}) {
               runs { info { ...i } } } }
           fragment i on MlflowRunInfo { runId ... on MlflowRunInfo { status }
             __typename })",
        R"({ mlflowSearchRuns(input: {orderBy: "a", runViewType: ALL}) {
             nextPageToken nextPageToken } })",
        R"({ __schema { types { name fields { name type { name } } } }
             __type(name: "Query") { name } __typename })",
        "subscription { anything { goes } }",
        R"(query Q($i: String = null) { test(inputString: $i) { output } })",
        R"(mutation { testMutation { output } })"}) {
    EXPECT_THAT(Errors(query), testing::IsEmpty()) << query;
  }
}

// Queries, and how many faults each has.
constexpr std::pair<const char*, size_t> kFaultyQueries[] = {
    {"{ nonsense }", 1},
    {"{ nonsense other { x } test { nothing } }", 3},
    {"{ test }", 1},
    {R"({ test(inputString: "x") { output { x } } })", 1},
    {R"({ test(nonsense: "x") { output } })", 1},
    {R"({ test(inputString: 5) { output } })", 1},
    {R"({ test(inputString: "a", inputString: "b") { output } })", 1},
    {R"({ test(inputString: null) { output } })", 0},
    {"{ __type { name } }", 1},
    {"{ __type(name: null) { name } }", 1},
    {"{ __typename { x } }", 1},
    {"{ mlflowGetRun(input: {nonsense: 1, runId: 2}) { run { info { runId "
     "} } } }",
     2},
    {"{ mlflowGetRun(input: 5) { run { info { runId } } } }", 1},
    {R"({ mlflowGetRun(input: {runId: "a", runId: "b"}) {
         run { info { runId } } } })",
     1},
    {"{ mlflowSearchRuns(input: {runViewType: NONSENSE}) { runs { info { "
     "runId } } } }",
     1},
    {"{ mlflowSearchRuns(input: {maxResults: 1.0}) { nextPageToken } }", 1},
    {"{ mlflowSearchRuns(input: {maxResults: 2147483648}) { nextPageToken "
     "} }",
     1},
    {"{ mlflowSearchModelVersions(input: {maxResults: "
     "99999999999999999999}) { nextPageToken } }",
     1},
    // Operations and fragments.
    {"query A { __typename } query A { __typename }", 1},
    {"{ __typename } query A { __typename }", 1},
    {"{ ...f }", 1},
    {"{ __typename } fragment f on Query { __typename }", 1},
    {"{ ...f } fragment f on Query { __typename } fragment f on Query { "
     "__typename }",
     1},
    {"{ ...f } fragment f on Nonsense { x }", 1},
    {"{ ...f } fragment f on String { x }", 1},
    {"{ ...f } fragment f on Test { output }", 1},
    {"{ ... on Test { output } }", 1},
    {"{ ...f } fragment f on Query { ...g } fragment g on Query { ...f }",
     1},
    // Variables.
    {"query Q($a: String) { __typename }", 1},
    {"query Q { test(inputString: $a) { output } }", 1},
    {"query Q($a: String, $a: String) { test(inputString: $a) { output } }",
     1},
    {"query Q($a: Test) { test(inputString: $a) { output } }", 2},
    {"query Q($a: Nonsense) { test(inputString: $a) { output } }", 1},
    {"query Q($a: Int) { test(inputString: $a) { output } }", 1},
    {"query Q($a: String = 5) { test(inputString: $a) { output } }", 1},
    {"query Q($a: String) { __type(name: $a) { name } }", 1},
    {R"(query Q($a: String = "x") { __type(name: $a) { name } })", 0},
    {"query Q($a: String) { mlflowSearchRuns(input: {experimentIds: $a}) { "
     "nextPageToken } }",
     1},
    {"query Q($a: String) { mlflowSearchRuns(input: {experimentIds: [$a]}) "
     "{ nextPageToken } }",
     0},
    // Directives.
    {"{ __typename @skip(if: true) }", 1},
    {R"({ __typename @component(name: "x") })", 1},
    {"query Q @component { __typename }", 1},
    {R"(query Q @component(name: "x") @component(name: "x") {
         __typename })",
     1},
    // Fields that share a key.
    {R"({ a: test(inputString: "1") { output }
         a: test(inputString: "2") { output } })",
     1},
    {R"({ a: __typename a: test { output } })", 1},
    {R"({ test { output } test { output: __typename } })", 1},
    {"{ __schema { types { fields { type { fields { type { fields { name } "
     "} } } } } } }",
     1},
};

TEST(GraphqlValidateTest, NamesEachFaultOnce) {
  for (const auto& [query, count] : kFaultyQueries) {
    const std::vector<std::string> errors = Errors(query);
    EXPECT_EQ(errors.size(), count)
        << query << testing::PrintToString(errors);
  }
}

TEST(GraphqlValidateTest, ErrorsAreLimited) {
  std::string query = "{ test(inputString: \"x\") { ";
  for (size_t i = 0; i < limits::kGraphqlErrorsMax + 50; ++i) {
    StrAppend(&query, "nonsense", i, " ");
  }
  EXPECT_EQ(Errors(query + "} }").size(), limits::kGraphqlErrorsMax);
}

}  // namespace
}  // namespace millstream::gateway::graphql
