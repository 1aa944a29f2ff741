#include "bench/load/requests.h"

#include <simdjson.h>

#include <string>
#include <string_view>

#include "absl/strings/string_view.h"
#include "bench/load/answers.h"
#include "gtest/gtest.h"

namespace millstream::bench {
namespace {

const Address kAddress = {"127.0.0.1", 5000};

std::string BodyOf(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

TEST(PointsRequestTest, StaysJsonWhileItsDigitsAdvance) {
  PointsRequest request =
      PointsRequest::Batch(kAddress, "abc", {"a", "b"}, 3);
  ASSERT_EQ(request.points(), 6u);
  for (int64_t first : {kFirstStep, kFirstStep + 3, kFirstStep + 123456}) {
    std::string body = BodyOf(request.At(first));
    absl::StatusOr<HistorySummary> points = ReadHistoryPage(body);
    ASSERT_TRUE(points.ok()) << body;
    EXPECT_EQ(points->points, 6u);
    EXPECT_EQ(points->first_step, first);
    EXPECT_EQ(points->last_step, first + 2);
  }
}

TEST(PointsRequestTest, SinglePointCarriesAllFields) {
  PointsRequest request = PointsRequest::Single(kAddress, "abc", "loss");
  std::string body = BodyOf(request.At(kFirstStep + 7));
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  ASSERT_FALSE(parser.parse(body).get(root)) << body;
  EXPECT_EQ(std::string_view(root["run_id"]), "abc");
  EXPECT_EQ(std::string_view(root["key"]), "loss");
  EXPECT_EQ(int64_t(root["step"]), kFirstStep + 7);
  EXPECT_EQ(int64_t(root["timestamp"]), kFirstTimestampMs + 7);
}

TEST(PointsRequestTest, LengthIsThatOfTheBody) {
  PointsRequest request =
      PointsRequest::Batch(kAddress, "abc", {"a", "b"}, 100);
  const std::string& bytes = request.At(kFirstStep);
  std::string expected =
      "Content-Length: " + std::to_string(BodyOf(bytes).size()) + "\r\n";
  EXPECT_NE(bytes.find(expected), std::string::npos);
}

TEST(CurveValueTest, HasOneWidthAndRepeats) {
  for (uint64_t i = 0; i < 70000; i += 13) {
    absl::string_view text = CurveValue(i);
    ASSERT_EQ(text.size(), 18u);
    ASSERT_EQ(text.substr(0, 2), "0.") << text;
  }
  EXPECT_EQ(CurveValue(3), CurveValue(3));
}

TEST(QueryEscapeTest, EscapesAllButUnreserved) {
  EXPECT_EQ(QueryEscape("a-b_c.9"), "a-b_c.9");
  EXPECT_EQ(QueryEscape("a b/=+&"), "a%20b%2F%3D%2B%26");
}

TEST(HistorySummaryTest, PagesAddUp) {
  HistorySummary all;
  all.Append({2, 1, 2, true, "x"});
  all.Append({3, 2, 9, true, ""});
  EXPECT_EQ(all.points, 5u);
  EXPECT_EQ(all.first_step, 1);
  EXPECT_EQ(all.last_step, 9);
  EXPECT_TRUE(all.ascending);
  all.Append({1, 8, 8, true, ""});
  EXPECT_FALSE(all.ascending);
}

}  // namespace
}  // namespace millstream::bench
