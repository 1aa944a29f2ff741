#include "gateway/url.h"

#include <string>

#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "millstream/v1/registry.pb.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::gateway {
namespace {

template <typename M>
absl::Status Bind(std::string_view query, M* message) {
  const auto parameters = ParseQuery(query);
  if (!parameters.ok()) return parameters.status();
  return BindQuery(*parameters, MessageTable::Of(M::descriptor()), message);
}

TEST(Url, PercentsAreDecoded) {
  EXPECT_EQ(PercentDecode("a%20b%2Fc", Plus::kIsPlus), "a b/c");
  EXPECT_EQ(PercentDecode("a+b%2B", Plus::kIsPlus), "a+b+");
  EXPECT_EQ(PercentDecode("a+b%2B", Plus::kIsBlank), "a b+");
  EXPECT_EQ(PercentDecode("100%", Plus::kIsPlus), "100%");
  EXPECT_EQ(PercentDecode("%4", Plus::kIsPlus), "%4");
  EXPECT_EQ(PercentDecode("%zz", Plus::kIsPlus), "%zz");
  EXPECT_EQ(PercentDecode("%C3%A9", Plus::kIsPlus), "\u00e9");
  EXPECT_EQ(PercentDecode("%2525", Plus::kIsPlus), "%25");
}

TEST(Url, WhatIsNoUtf8StaysEncoded) {
  EXPECT_EQ(PercentDecode("%ff", Plus::kIsPlus), "%FF");
  EXPECT_EQ(PercentDecode("a%ff%C3%A9", Plus::kIsPlus), "a%FF\u00e9");
}

TEST(Url, PathsAreEncoded) {
  EXPECT_EQ(EncodePath("/a b/c?d#e%\u00e9"), "/a%20b/c%3Fd%23e%25%C3%A9");
}

TEST(Url, QueriesAreSplit) {
  const auto parameters = ParseQuery("a=1&b=&c&&a=2&d=x%3Dy=z&=v");
  ASSERT_TRUE(parameters.ok());
  ASSERT_EQ(parameters->size(), 6u);
  EXPECT_EQ(*FindParameter(*parameters, "a"), "1");
  EXPECT_EQ(*FindParameter(*parameters, "b"), "");
  EXPECT_EQ(*FindParameter(*parameters, "c"), "");
  EXPECT_EQ(*FindParameter(*parameters, "d"), "x=y=z");
  EXPECT_EQ(FindParameter(*parameters, "e"), nullptr);
}

TEST(Url, QueriesHaveALimit) {
  std::string query;
  for (size_t i = 0; i < limits::kQueryParametersMax; ++i) query += "a=1&";
  EXPECT_TRUE(ParseQuery(query).ok());
  EXPECT_EQ(GetErrorCode(ParseQuery(query + "a=1").status()),
            v1::INVALID_PARAMETER_VALUE);
}

TEST(Url, TheFirstOfSeveralValuesCounts) {
  v1::GetExperimentRequest request;
  ASSERT_TRUE(Bind("experiment_id=1&experiment_id=2", &request).ok());
  EXPECT_EQ(request.experiment_id(), "1");
  request.Clear();
  ASSERT_TRUE(Bind("experiment_id=&experiment_id=2", &request).ok());
  EXPECT_EQ(request.experiment_id(), "");
}

TEST(Url, ListsTakeAllValues) {
  v1::GetMetricHistoryBulkIntervalRequest request;
  ASSERT_TRUE(
      Bind("run_ids=a&metric_key=m&run_ids=b&max_results=320", &request)
          .ok());
  ASSERT_EQ(request.run_ids_size(), 2);
  EXPECT_EQ(request.run_ids(1), "b");
  EXPECT_EQ(request.max_results(), 320);
}

TEST(Url, OtherSpellingsAndNamesAreIgnored) {
  v1::GetExperimentRequest request;
  ASSERT_TRUE(Bind("experimentId=1&nonsense=2", &request).ok());
  EXPECT_FALSE(request.has_experiment_id());
}

TEST(Url, ValuesMustFitTheirFields) {
  v1::GetMetricHistoryBulkIntervalRequest request;
  for (const char* query :
       {"max_results=x", "max_results=", "max_results=1.5",
        "max_results=99999999999", "start_step=%205"}) {
    const absl::Status status = Bind(query, &request);
    EXPECT_EQ(GetErrorCode(status), v1::INVALID_PARAMETER_VALUE) << query;
  }
  v1::TransitionModelVersionStageRequest stage;
  EXPECT_TRUE(Bind("archive_existing_versions=True", &stage).ok());
  EXPECT_TRUE(stage.archive_existing_versions());
  EXPECT_FALSE(Bind("archive_existing_versions=1", &stage).ok());
  v1::SearchExperimentsRequest search;
  EXPECT_TRUE(Bind("view_type=ALL", &search).ok());
  EXPECT_EQ(search.view_type(), v1::ALL);
  EXPECT_TRUE(Bind("view_type=nonsense&view_type=7", &search).ok());
  v1::GetMetricHistoryRequest history;
  EXPECT_TRUE(Bind("max_results=many&metric_key=k", &history).ok());
  EXPECT_FALSE(history.has_max_results());
  EXPECT_EQ(history.metric_key(), "k");
  v1::GetExperimentResponse message;
  EXPECT_FALSE(Bind("experiment=1", &message).ok());
}

}  // namespace
}  // namespace millstream::gateway
