// Every limit of the search language, crossed by one.
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "storage/search/page_token.h"
#include "storage/search/search.h"
#include "storage/search/sql_dialect.h"

namespace millstream::storage::search {
namespace {

absl::Status Filter(std::string_view filter) {
  RunSearch request;
  request.columns = {"run_uuid"};
  request.experiment_ids = {"1"};
  request.filter = filter;
  request.max_results = 10;
  return BuildRunSearch(request, SqliteDialect()).status();
}

absl::Status Order(const std::vector<std::string>& terms) {
  RunSearch request;
  request.columns = {"run_uuid"};
  request.order_by.assign(terms.begin(), terms.end());
  return BuildRunSearch(request, SqliteDialect()).status();
}

std::string Repeat(std::string_view text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

void ExpectRefused(const absl::Status& status, std::string_view reason) {
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(GetErrorCode(status), v1::INVALID_PARAMETER_VALUE);
  EXPECT_NE(GetPublicMessage(status).find(reason), std::string_view::npos)
      << GetPublicMessage(status);
}

TEST(SearchLimits, FilterBytes) {
  const std::string head = "status = 'x'";
  const std::string at =
      head + std::string(limits::kSearchFilterBytesMax - head.size(), ' ');
  EXPECT_TRUE(Filter(at).ok());
  ExpectRefused(Filter(at + " "), "bytes");
}

TEST(SearchLimits, Conditions) {
  EXPECT_TRUE(
      Filter(Repeat("metrics.a > 1 ", limits::kSearchConditionsMax)).ok());
  ExpectRefused(
      Filter(Repeat("metrics.a > 1 ", limits::kSearchConditionsMax + 1)),
      "conditions");
}

TEST(SearchLimits, ListItemsOfAllListsTogether) {
  const size_t half = limits::kSearchListItemsMax / 2;
  const std::string list = "run_id IN (" + Repeat("'a',", half) + ")";
  EXPECT_TRUE(Filter(list + " AND " + list).ok());
  ExpectRefused(Filter(list + list + " AND run_id NOT IN ('a')"), "values");
}

TEST(SearchLimits, KeyBytes) {
  const std::string key(limits::kSearchKeyBytesMax - 4, 'k');
  EXPECT_TRUE(Filter("tag." + key + " = 'x'").ok());
  ExpectRefused(Filter("tag.k" + key + " = 'x'"), "longer");
  LoggedModelSearch request;
  const std::string field = "metrics." + key;
  request.order_by = {{.field_name = field}};
  ExpectRefused(BuildLoggedModelSearch(request, SqliteDialect()).status(),
                "bytes");
}

TEST(SearchLimits, PatternBytes) {
  const std::string pattern(limits::kSearchPatternBytesMax - 2, '%');
  EXPECT_TRUE(Filter("status LIKE '" + pattern + "'").ok());
  ExpectRefused(Filter("status LIKE '%" + pattern + "'"), "pattern");
  ExpectRefused(Filter("tags.a ILIKE '%" + pattern + "'"), "pattern");
  EXPECT_TRUE(Filter("status = '%" + pattern + "'").ok());
}

TEST(SearchLimits, OrderTerms) {
  std::vector<std::string> terms;
  for (size_t i = 0; i < limits::kSearchOrderByMax; ++i) {
    terms.push_back("metrics.m" + std::to_string(i));
  }
  EXPECT_TRUE(Order(terms).ok());
  terms.push_back("params.p");
  ExpectRefused(Order(terms), "terms");
  LoggedModelSearch request;
  request.order_by.resize(limits::kSearchOrderByMax + 1,
                          {.field_name = "name"});
  ExpectRefused(BuildLoggedModelSearch(request, SqliteDialect()).status(),
                "terms");
}

TEST(SearchLimits, OrderBytes) {
  ExpectRefused(
      Order({"metrics.a" +
             std::string(limits::kSearchOrderByBytesMax, ' ') + "DESC"}),
      "bytes");
}

TEST(SearchLimits, ExperimentIds) {
  RunSearch request;
  request.experiment_ids.assign(limits::kSearchExperimentIdsMax, "1");
  EXPECT_TRUE(BuildRunSearch(request, SqliteDialect()).ok());
  request.experiment_ids.push_back("1");
  ExpectRefused(BuildRunSearch(request, SqliteDialect()).status(), "ids");
}

TEST(SearchLimits, Datasets) {
  LoggedModelSearch request;
  request.datasets.assign(limits::kSearchDatasetsMax, {.name = "d"});
  EXPECT_TRUE(BuildLoggedModelSearch(request, SqliteDialect()).ok());
  request.datasets.push_back({.name = "d"});
  ExpectRefused(BuildLoggedModelSearch(request, SqliteDialect()).status(),
                "datasets");
}

TEST(SearchLimits, DatasetWithoutNameIsRefused) {
  LoggedModelSearch request;
  request.datasets = {{.name = "", .digest = "x"}};
  ExpectRefused(BuildLoggedModelSearch(request, SqliteDialect()).status(),
                "dataset_name");
}

TEST(SearchLimits, NegativePageSizeIsRefused) {
  RunSearch request;
  request.max_results = -1;
  ExpectRefused(BuildRunSearch(request, SqliteDialect()).status(),
                "max_results");
}

// What held the reference for half a minute: each of these is linear here.
TEST(SearchLimits, HostileTextsAreAnsweredAtOnce) {
  const size_t size = limits::kSearchFilterBytesMax;
  const auto answered = [](const absl::Status& status) {
    EXPECT_TRUE(status.ok() ||
                GetErrorCode(status) == v1::INVALID_PARAMETER_VALUE)
        << status;
  };
  const std::clock_t begin = std::clock();
  for (const std::string_view piece :
       {".", "(", "'", "\"", "`", "a.", "a.`", "''", "\\'", "'\\", "AND ",
        "NOT ", "a = ", "((", "a IN (", "-", "\xff", "\xf0\x9f", "é"}) {
    const std::string text = Repeat(piece, size / piece.size());
    answered(Filter(text));
    answered(Filter("params.a = " + text.substr(0, size - 20)));
    answered(Filter("run_id IN (" + text.substr(0, size - 20)));
  }
  // Of the processor, not of a clock on a wall: a square of the length would be
  // many times this.
  EXPECT_LT(std::clock() - begin, 20 * CLOCKS_PER_SEC);
}

TEST(SearchLimits, PageTokenBytes) {
  const std::string text(limits::kPageTokenBytesMax, 'x');
  const std::string token = EncodePageToken(1, {70, {SqlValue(text)}});
  EXPECT_LE(token.size(), limits::kPageTokenBytesMax);
  // Such a row cannot be told in a token: the page goes by its offset.
  const CursorColumn columns[] = {{CursorType::kText, false}};
  const auto position = DecodePageToken(token, 1, columns);
  ASSERT_TRUE(position.ok());
  EXPECT_EQ(position->offset, 70);
  EXPECT_TRUE(position->cursor.empty());
  ExpectRefused(
      DecodePageToken(std::string(limits::kPageTokenBytesMax + 1, 'A'), 1,
                      columns)
          .status(),
      "page_token");
}

}  // namespace
}  // namespace millstream::storage::search
