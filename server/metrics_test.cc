// Logging metrics and batches, reading histories: what the service makes of a
// request. What stores make of it is in storage/sql/sql_run_log_test.cc and
// storage/conformance/metric_store_conformance.cc.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/call_context.h"
#include "server/tracking_service.h"
#include "storage/metric_store.h"
#include "storage/run_log.h"

namespace millstream::server {
namespace {

using storage::MetricPoint;

constexpr char kRun[] = "0123456789abcdef0123456789abcdef";

// Keeps the last batch.
class LastBatch final : public storage::RunLog {
 public:
  absl::Status Log(const storage::RunLogBatch& batch) override {
    ++batches;
    run_id = batch.run_id;
    metrics.clear();
    for (const auto& series : batch.metrics) {
      EXPECT_FALSE(metrics.contains(std::string(series.key)));
      metrics[std::string(series.key)].assign(series.points.begin(),
                                              series.points.end());
    }
    params.Clear();
    tags.Clear();
    model_metrics.Clear();
    if (batch.params != nullptr) params = *batch.params;
    if (batch.tags != nullptr) tags = *batch.tags;
    for (const v1::Metric* metric : batch.model_metrics) {
      *model_metrics.Add() = *metric;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> LastFrame(std::string_view,
                                     std::string_view) override {
    return 0;
  }

  int batches = 0;
  std::string run_id;
  std::map<std::string, std::vector<MetricPoint>> metrics;
  google::protobuf::RepeatedPtrField<v1::Param> params;
  google::protobuf::RepeatedPtrField<v1::RunTag> tags;
  google::protobuf::RepeatedPtrField<v1::Metric> model_metrics;
};

// One point for each of `count` steps in every series.
class StepsStore final : public storage::MetricStore {
 public:
  explicit StepsStore(int64_t count) : count_(count) {}

  absl::Status ReadHistoryFor(const Liveness&, std::string_view,
                              std::string_view, const MetricPoint* after,
                              size_t limit,
                              std::vector<MetricPoint>* points) override {
    int64_t step = after == nullptr ? 0 : after->step + 1;
    for (; limit > 0 && step < count_; ++step, --limit) {
      points->push_back({step, step, 0.5});
    }
    return absl::OkStatus();
  }
  absl::Status SampleFor(const Liveness&, std::string_view, std::string_view,
                         const storage::StepRange& range, size_t max_points,
                         std::vector<MetricPoint>* points) override {
    last_range = range;
    last_max_points = max_points;
    points->push_back({1, 1, 0.5});
    return absl::OkStatus();
  }
  absl::Status Append(std::string_view, absl::Span<const storage::SeriesAppend>,
                      const storage::AppendOptions&) override {
    return absl::UnimplementedError("");
  }
  absl::Status ReadLatest(
      std::string_view,
      absl::FunctionRef<void(std::string_view, const MetricPoint&)>) override {
    return absl::UnimplementedError("");
  }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::StatusOr<uint64_t> ReadLastFrame(std::string_view,
                                         std::string_view) override {
    return 0;
  }
  absl::StatusOr<std::vector<storage::RunMark>> ListMarks() override {
    return std::vector<storage::RunMark>();
  }
  absl::Status RemoveMarks(absl::Span<const storage::RunMark>) override {
    return absl::OkStatus();
  }

  storage::StepRange last_range;
  size_t last_max_points = 0;

 private:
  const int64_t count_;
};

class MetricsTest : public testing::Test {
 protected:
  absl::Status Batch(const v1::LogBatchRequest& request) {
    v1::LogBatchResponse response;
    return service_.LogBatch(context_, request, &response);
  }
  absl::Status Metric(const v1::LogMetricRequest& request) {
    v1::LogMetricResponse response;
    return service_.LogMetric(context_, request, &response);
  }

  static v1::LogMetricRequest MetricRequest(const std::string& key) {
    v1::LogMetricRequest request;
    request.set_run_id(kRun);
    request.set_key(key);
    request.set_value(1.5);
    request.set_timestamp(7);
    return request;
  }
  static v1::LogBatchRequest BatchRequest(int metrics, int params, int tags) {
    v1::LogBatchRequest request;
    request.set_run_id(kRun);
    for (int i = 0; i < metrics; ++i) {
      AddMetric("m" + std::to_string(i % 3), i, 0.5, &request);
    }
    for (int i = 0; i < params; ++i) {
      request.add_params()->set_key("p" + std::to_string(i));
    }
    for (int i = 0; i < tags; ++i) {
      request.add_tags()->set_key("t" + std::to_string(i));
    }
    return request;
  }
  static void AddMetric(const std::string& key, int64_t step, double value,
                        v1::LogBatchRequest* request) {
    v1::Metric* metric = request->add_metrics();
    metric->set_key(key);
    metric->set_step(step);
    metric->set_timestamp(step);
    metric->set_value(value);
  }

  // The refusal of a request; "" if it was taken.
  static std::string Refusal(const absl::Status& status) {
    if (status.ok()) return "";
    EXPECT_EQ(GetErrorCode(status), v1::INVALID_PARAMETER_VALUE);
    return std::string(status.message());
  }

  LastBatch log_;
  StepsStore points_{limits::kHistoryAnswerPointsMax + 10};
  TrackingService service_{nullptr, &log_, &points_, &Clock::System(), {}};
  CallContext context_{Door::kGrpc};
};

// --- LogMetric

TEST_F(MetricsTest, AMetricIsAPointOfItsRun) {
  auto request = MetricRequest("a/b");
  request.set_step(-3);
  ASSERT_TRUE(Metric(request).ok());
  EXPECT_EQ(log_.run_id, kRun);
  ASSERT_EQ(log_.metrics["a/b"].size(), 1u);
  EXPECT_TRUE(storage::SamePoint(log_.metrics["a/b"][0], {7, -3, 1.5}));
  EXPECT_TRUE(log_.model_metrics.empty());
}

TEST_F(MetricsTest, OldClientsNameTheRunByUuid) {
  auto request = MetricRequest("m");
  request.clear_run_id();
  EXPECT_THAT(Refusal(Metric(request)), testing::HasSubstr("run_id"));
  request.set_run_uuid("old");
  ASSERT_TRUE(Metric(request).ok());
  EXPECT_EQ(log_.run_id, "old");
}

TEST_F(MetricsTest, ValuesAreKeptAsMlflowKeepsThem) {
  constexpr double kMax = std::numeric_limits<double>::max();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::pair<double, double> cases[] = {
      {infinity, kMax}, {-infinity, -kMax}, {-0.0, 0.0}, {NAN, NAN},
      {5e-324, 5e-324}};
  for (auto [sent, kept] : cases) {
    auto request = MetricRequest("m");
    request.set_value(sent);
    request.set_model_id("m-1");
    ASSERT_TRUE(Metric(request).ok());
    EXPECT_TRUE(storage::SamePoint(log_.metrics["m"][0], {7, 0, kept}));
    ASSERT_EQ(log_.model_metrics.size(), 1);
    EXPECT_EQ(storage::ValueOrder(log_.model_metrics[0].value()),
              storage::ValueOrder(kept));
  }
}

TEST_F(MetricsTest, BadKeysAndTimesAreRefused) {
  for (const std::string& key :
       {std::string("a/../b"), std::string("/m"), std::string("bad#"),
        std::string(limits::kKeyLengthMax + 1, 'x')}) {
    EXPECT_THAT(Refusal(Metric(MetricRequest(key))), testing::HasSubstr("key"));
  }
  EXPECT_TRUE(
      Metric(MetricRequest(std::string(limits::kKeyLengthMax, 'x'))).ok());
  auto request = MetricRequest("m");
  request.set_timestamp(-1);
  EXPECT_THAT(Refusal(Metric(request)), testing::HasSubstr("timestamp"));
}

// --- LogBatch

TEST_F(MetricsTest, MetricsOfABatchAreGroupedByKey) {
  v1::LogBatchRequest request = BatchRequest(0, 0, 0);
  for (const char* key : {"a", "b", "b", "a", "c", "a"}) {
    AddMetric(key, request.metrics_size(), 1, &request);
  }
  ASSERT_TRUE(Batch(request).ok());
  ASSERT_EQ(log_.metrics.size(), 3u);
  std::vector<int64_t> steps;
  for (const MetricPoint& point : log_.metrics["a"]) {
    steps.push_back(point.step);
  }
  EXPECT_THAT(steps, testing::ElementsAre(0, 3, 5));
  EXPECT_EQ(log_.metrics["b"].size(), 2u);
}

TEST_F(MetricsTest, CountsHaveLimits) {
  EXPECT_TRUE(Batch(BatchRequest(limits::kBatchMetricsMax, 0, 0)).ok());
  EXPECT_TRUE(Batch(BatchRequest(0, limits::kBatchParamsMax,
                                 limits::kBatchTagsMax))
                  .ok());
  const int batches = log_.batches;
  EXPECT_THAT(Refusal(Batch(BatchRequest(limits::kBatchMetricsMax + 1, 0, 0))),
              testing::HasSubstr("at most 1000 metrics"));
  EXPECT_THAT(Refusal(Batch(BatchRequest(0, limits::kBatchParamsMax + 1, 0))),
              testing::HasSubstr("at most 100 params"));
  EXPECT_THAT(Refusal(Batch(BatchRequest(0, 0, limits::kBatchTagsMax + 1))),
              testing::HasSubstr("at most 100 tags"));
  EXPECT_THAT(
      Refusal(Batch(BatchRequest(limits::kBatchEntitiesMax - 99, 50, 50))),
      testing::HasSubstr("metrics, params and tags"));
  EXPECT_EQ(log_.batches, batches);
}

TEST_F(MetricsTest, MissingFieldsOfEntriesAreNamed) {
  using Clear = void (*)(v1::LogBatchRequest*);
  const std::pair<Clear, const char*> cases[] = {
      {[](auto* r) { r->mutable_metrics(1)->clear_key(); }, "metrics[1].key"},
      {[](auto* r) { r->mutable_metrics(1)->clear_value(); },
       "metrics[1].value"},
      {[](auto* r) { r->mutable_metrics(1)->clear_timestamp(); },
       "metrics[1].timestamp"},
      {[](auto* r) { r->mutable_metrics(1)->set_timestamp(-1); },
       "metrics[1].timestamp"},
      {[](auto* r) { r->mutable_metrics(1)->set_key("a//b"); },
       "metrics[1].key"},
      {[](auto* r) { r->mutable_params(0)->clear_key(); }, "params[0].key"},
      {[](auto* r) { r->mutable_tags(1)->set_key("no?"); }, "tags[1].key"},
      {[](auto* r) { r->mutable_params(1)->set_key("p0"); }, "'p0'"},
      {[](auto* r) { r->set_run_id("a b"); }, "run_id"},
  };
  for (auto [clear, named] : cases) {
    v1::LogBatchRequest request = BatchRequest(2, 2, 2);
    clear(&request);
    EXPECT_THAT(Refusal(Batch(request)), testing::HasSubstr(named));
  }
  EXPECT_EQ(log_.batches, 0);
}

TEST_F(MetricsTest, LongValuesAreCut) {
  v1::LogBatchRequest request = BatchRequest(0, 2, 1);
  request.mutable_params(1)->set_value(
      std::string(limits::kParamValueLengthMax + 5, 'v'));
  request.mutable_tags(0)->set_value(
      std::string(limits::kTagValueLengthMax + 5, 'v'));
  ASSERT_TRUE(Batch(request).ok());
  ASSERT_EQ(log_.params.size(), 2);
  EXPECT_EQ(log_.params[1].value().size(), limits::kParamValueLengthMax);
  EXPECT_EQ(log_.tags[0].value().size(), limits::kTagValueLengthMax);
}

// --- Histories

TEST_F(MetricsTest, HistoryComesInPages) {
  v1::GetMetricHistoryRequest request;
  request.set_run_id(kRun);
  request.set_metric_key("m");
  request.set_max_results(100'000);
  int64_t next = 0;
  bool more = true;
  while (more) {
    v1::GetMetricHistoryResponse response;
    ASSERT_TRUE(service_.GetMetricHistory(context_, request, &response).ok());
    for (const v1::Metric& metric : response.metrics()) {
      ASSERT_EQ(metric.step(), next++);
    }
    more = response.has_next_page_token();
    request.set_page_token(response.next_page_token());
  }
  EXPECT_EQ(next, limits::kHistoryAnswerPointsMax + 10);
  request.set_page_token("bogus");
  v1::GetMetricHistoryResponse response;
  EXPECT_THAT(Refusal(service_.GetMetricHistory(context_, request, &response)),
              testing::HasSubstr("page_token"));
}

TEST_F(MetricsTest, AnAnswerHasALimitWhateverIsAskedFor) {
  v1::GetMetricHistoryRequest request;
  request.set_run_id(kRun);
  request.set_metric_key("m");
  for (int asked : {0, limits::kHistoryAnswerPointsMax + 1}) {
    if (asked > 0) request.set_max_results(asked);
    v1::GetMetricHistoryResponse response;
    ASSERT_TRUE(service_.GetMetricHistory(context_, request, &response).ok());
    EXPECT_EQ(response.metrics_size(), limits::kHistoryAnswerPointsMax);
    EXPECT_TRUE(response.has_next_page_token());
  }
  for (int refused : {0, -1}) {
    request.set_max_results(refused);
    v1::GetMetricHistoryResponse response;
    EXPECT_THAT(
        Refusal(service_.GetMetricHistory(context_, request, &response)),
        testing::HasSubstr("max_results"));
  }
}

TEST_F(MetricsTest, BulkHistoryHasMlflowsLimits) {
  v1::GetMetricHistoryBulkRequest request;
  auto call = [&](v1::GetMetricHistoryBulkResponse* response) {
    response->Clear();
    return service_.GetMetricHistoryBulk(context_, request, response);
  };
  v1::GetMetricHistoryBulkResponse response;
  EXPECT_THAT(Refusal(call(&response)), testing::HasSubstr("run_id"));
  for (int i = 0; i < limits::kBulkRunsMax; ++i) request.add_run_id("b");
  EXPECT_THAT(Refusal(call(&response)), testing::HasSubstr("metric_key"));
  request.set_metric_key("m");
  ASSERT_TRUE(call(&response).ok());
  EXPECT_EQ(response.metrics_size(), limits::kHistoryResultsMax);
  EXPECT_EQ(response.metrics(0).run_id(), "b");
  request.set_max_results(limits::kHistoryResultsMax + 1);
  ASSERT_TRUE(call(&response).ok());
  EXPECT_EQ(response.metrics_size(), limits::kHistoryResultsMax);
  request.set_max_results(0);
  ASSERT_TRUE(call(&response).ok());
  EXPECT_EQ(response.metrics_size(), 0);
  request.set_max_results(-1);
  EXPECT_THAT(Refusal(call(&response)), testing::HasSubstr("max_results"));
  request.add_run_id("a");
  EXPECT_THAT(Refusal(call(&response)), testing::HasSubstr("at most 100"));
}

TEST_F(MetricsTest, IntervalsHaveMlflowsLimits) {
  v1::GetMetricHistoryBulkIntervalRequest request;
  request.set_metric_key("m");
  auto call = [&] {
    v1::GetMetricHistoryBulkIntervalResponse response;
    return service_.GetMetricHistoryBulkInterval(context_, request, &response);
  };
  EXPECT_THAT(Refusal(call()), testing::HasSubstr("run_ids"));
  request.add_run_ids(kRun);
  ASSERT_TRUE(call().ok());
  EXPECT_EQ(points_.last_max_points, limits::kBulkIntervalResultsMax);
  EXPECT_EQ(points_.last_range.first, std::numeric_limits<int64_t>::min());
  for (int refused : {0, -1, limits::kBulkIntervalResultsMax + 1}) {
    request.set_max_results(refused);
    EXPECT_THAT(Refusal(call()), testing::HasSubstr("max_results"));
  }
  request.set_max_results(320);
  request.set_start_step(5);
  EXPECT_THAT(Refusal(call()), testing::HasSubstr("belong together"));
  request.set_end_step(4);
  EXPECT_THAT(Refusal(call()), testing::HasSubstr("end_step"));
  request.set_end_step(5);
  ASSERT_TRUE(call().ok());
  EXPECT_EQ(points_.last_range.last, 5);
  while (request.run_ids_size() <= limits::kBulkRunsMax) {
    request.add_run_ids(kRun);
  }
  EXPECT_THAT(Refusal(call()), testing::HasSubstr("at most 100"));
}

}  // namespace
}  // namespace millstream::server
