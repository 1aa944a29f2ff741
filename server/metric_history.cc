// TrackingService: reading metric histories.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/history_token.h"
#include "server/tracking_service.h"
#include "server/validation.h"
#include "storage/metric_store.h"

namespace millstream::server {
namespace {

using google::protobuf::RepeatedPtrField;
using storage::MetricPoint;

// Points read between two looks at whether the caller still waits.
constexpr size_t kReadPointsMax = 32'768;

// `run_id` empty: the caller knows it.
void AddPoints(std::string_view run_id, std::string_view key,
               absl::Span<const MetricPoint> points,
               RepeatedPtrField<v1::Metric>* metrics) {
  metrics->Reserve(metrics->size() + static_cast<int>(points.size()));
  for (const MetricPoint& point : points) {
    v1::Metric* metric = metrics->Add();
    metric->set_key(key.data(), key.size());
    metric->set_value(point.value);
    metric->set_timestamp(point.timestamp_ms);
    metric->set_step(point.step);
    if (!run_id.empty()) metric->set_run_id(run_id.data(), run_id.size());
  }
}

absl::Status CheckRunCount(std::string_view rpc, std::string_view field,
                           int count) {
  if (count <= limits::kBulkRunsMax) return absl::OkStatus();
  return InvalidParameter(rpc, " takes at most ", limits::kBulkRunsMax, " ",
                          field, ", this request has ", count,
                          ". Ask for the rest in another one.");
}

// Appends points of one series, as MetricStore::ReadHistory.
absl::Status ReadHistory(const CallContext& context,
                         storage::MetricStore* store, std::string_view run_id,
                         std::string_view key, const MetricPoint* after,
                         size_t limit, std::vector<MetricPoint>* points) {
  const size_t end = points->size() + limit;
  MetricPoint last;
  while (points->size() < end) {
    const size_t wanted = std::min(end - points->size(), kReadPointsMax);
    const size_t before = points->size();
    RETURN_IF_ERROR(
        store->ReadHistoryFor(context, run_id, key, after, wanted, points));
    if (points->size() - before < wanted) break;
    RETURN_IF_ERROR(context.Alive());
    last = points->back();
    after = &last;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TrackingService::GetMetricHistory(
    CallContext& context, const v1::GetMetricHistoryRequest& request,
    v1::GetMetricHistoryResponse* response) {
  ASSIGN_OR_RETURN(const std::string_view run_id, RunIdOf(request));
  size_t limit = limits::kHistoryAnswerPointsMax;
  if (request.has_max_results()) {
    if (request.max_results() <= 0) {
      return InvalidParameter("Invalid value ", request.max_results(),
                              " for parameter 'max_results': it must be a "
                              "positive integer.");
    }
    limit = std::min<size_t>(limit, request.max_results());
  }
  const std::string& key = request.metric_key();
  MetricPoint after;
  const bool resumes = !request.page_token().empty();
  if (resumes) {
    ASSIGN_OR_RETURN(after,
                     DecodeHistoryToken(request.page_token(), run_id, key));
  }
  std::vector<MetricPoint> points;
  RETURN_IF_ERROR(ReadHistory(context, points_, run_id, key,
                              resumes ? &after : nullptr, limit + 1, &points));
  if (points.size() > limit) {
    points.pop_back();
    response->set_next_page_token(
        EncodeHistoryToken(run_id, key, points.back()));
  }
  AddPoints("", key, points, response->mutable_metrics());
  return absl::OkStatus();
}

absl::Status TrackingService::GetMetricHistoryBulk(
    CallContext& context, const v1::GetMetricHistoryBulkRequest& request,
    v1::GetMetricHistoryBulkResponse* response) {
  if (request.run_id().empty()) return MissingParameter("run_id");
  RETURN_IF_ERROR(CheckRunCount("GetMetricHistoryBulk", "run_id",
                                request.run_id_size()));
  if (!request.has_metric_key()) return MissingParameter("metric_key");
  int64_t limit = limits::kHistoryResultsMax;
  if (request.has_max_results()) {
    if (request.max_results() < 0) {
      return InvalidParameter("Invalid value ", request.max_results(),
                              " for parameter 'max_results': it must not be "
                              "negative.");
    }
    limit = std::min<int64_t>(limit, request.max_results());
  }
  std::vector<std::string_view> run_ids(request.run_id().begin(),
                                        request.run_id().end());
  std::sort(run_ids.begin(), run_ids.end());
  run_ids.erase(std::unique(run_ids.begin(), run_ids.end()), run_ids.end());
  std::vector<MetricPoint> points;
  for (std::string_view run_id : run_ids) {
    const int64_t left = limit - response->metrics_size();
    if (left <= 0) break;
    points.clear();
    RETURN_IF_ERROR(ReadHistory(context, points_, run_id, request.metric_key(),
                                nullptr, left, &points));
    AddPoints(run_id, request.metric_key(), points,
              response->mutable_metrics());
  }
  return absl::OkStatus();
}

absl::Status TrackingService::GetMetricHistoryBulkInterval(
    CallContext& context,
    const v1::GetMetricHistoryBulkIntervalRequest& request,
    v1::GetMetricHistoryBulkIntervalResponse* response) {
  if (request.run_ids().empty()) return MissingParameter("run_ids");
  RETURN_IF_ERROR(CheckRunCount("GetMetricHistoryBulkInterval", "run_ids",
                                request.run_ids_size()));
  int64_t max_results = limits::kBulkIntervalResultsMax;
  if (request.has_max_results()) {
    max_results = request.max_results();
    RETURN_IF_ERROR(
        CheckMaxResults(max_results, limits::kBulkIntervalResultsMax));
  }
  if (request.has_start_step() != request.has_end_step()) {
    return InvalidParameter(
        "'start_step' and 'end_step' belong together: send both or neither.");
  }
  storage::StepRange range;
  if (request.has_start_step()) {
    range = {request.start_step(), request.end_step()};
    if (range.first > range.last) {
      return InvalidParameter("'end_step' (", range.last,
                              ") must not be less than 'start_step' (",
                              range.first, ").");
    }
  }
  std::vector<MetricPoint> points;
  for (const std::string& run_id : request.run_ids()) {
    RETURN_IF_ERROR(context.Alive());
    points.clear();
    RETURN_IF_ERROR(points_->SampleFor(context, run_id, request.metric_key(),
                                       range, max_results, &points));
    AddPoints(run_id, request.metric_key(), points,
              response->mutable_metrics());
  }
  return absl::OkStatus();
}

}  // namespace millstream::server
