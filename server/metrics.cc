// TrackingService: logging metrics, and batches of what runs log.
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "server/metric_rules.h"
#include "server/tracking_service.h"
#include "server/validation.h"
#include "storage/run_log.h"

namespace millstream::server {
namespace {

using google::protobuf::RepeatedPtrField;
using storage::MetricPoint;
using storage::SeriesAppend;

absl::Status CheckCount(std::string_view what, int limit, int count) {
  if (count <= limit) return absl::OkStatus();
  return InvalidParameter("A batch may hold at most ", limit, " ", what,
                          ", this one holds ", count,
                          ". Split it into several requests.");
}

absl::Status CheckCounts(const v1::LogBatchRequest& request) {
  const int metrics = request.metrics_size();
  const int params = request.params_size();
  const int tags = request.tags_size();
  RETURN_IF_ERROR(CheckCount("metrics", limits::kBatchMetricsMax, metrics));
  RETURN_IF_ERROR(CheckCount("params", limits::kBatchParamsMax, params));
  RETURN_IF_ERROR(CheckCount("tags", limits::kBatchTagsMax, tags));
  return CheckCount("metrics, params and tags", limits::kBatchEntitiesMax,
                    metrics + params + tags);
}

// A dataset has a name and a digest, or there is none.
template <typename Metric>
absl::Status CheckDataset(std::string_view path, const Metric& metric) {
  if (metric.dataset_name().empty() == metric.dataset_digest().empty()) {
    return absl::OkStatus();
  }
  return InvalidParameter("Give '", path, "dataset_name' and '", path,
                          "dataset_digest' both, or neither.");
}

// The metrics of a batch, checked, by series.
class BatchMetrics {
 public:
  absl::Status Read(const RepeatedPtrField<v1::Metric>& metrics) {
    series_of_.reserve(metrics.size());
    for (int i = 0; i < metrics.size(); ++i) {
      RETURN_IF_ERROR(ReadMetric(metrics[i], i));
    }
    Group(metrics);
    return absl::OkStatus();
  }

  const std::vector<SeriesAppend>& series() const { return series_; }
  const std::vector<const v1::Metric*>& model_metrics() const {
    return model_metrics_;
  }

 private:
  // Checks a metric and notes its series.
  absl::Status ReadMetric(const v1::Metric& metric, int index) {
    if (metric.key().empty() || !metric.has_value() ||
        !metric.has_timestamp()) {
      return MissingParameter(StrCat(
          "metrics[", index, "].",
          metric.key().empty() ? "key"
                               : (metric.has_value() ? "timestamp" : "value")));
    }
    if (metric.timestamp() < 0) {
      return CheckTimestamp(StrCat("metrics[", index, "]."),
                            metric.timestamp());
    }
    if (metric.has_dataset_name() || metric.has_dataset_digest()) {
      RETURN_IF_ERROR(CheckDataset(StrCat("metrics[", index, "]."), metric));
    }
    int series = series_of_.empty() ? -1 : series_of_.back();
    if (series < 0 || keys_[series] != metric.key()) {
      auto [found, is_new] = index_.try_emplace(metric.key(), keys_.size());
      series = found->second;
      if (is_new) {
        RETURN_IF_ERROR(
            CheckMetricKey(StrCat("metrics[", index, "]."), metric.key()));
        keys_.push_back(metric.key());
        counts_.push_back(0);
      }
    }
    series_of_.push_back(series);
    ++counts_[series];
    if (!metric.model_id().empty()) AddModelMetric(metric);
    return absl::OkStatus();
  }

  void AddModelMetric(const v1::Metric& metric) {
    v1::Metric* kept = kept_.Add();
    *kept = metric;
    kept->set_value(KeptValue(metric.value()));
    model_metrics_.push_back(kept);
  }

  // Lays the points of each series beside each other.
  void Group(const RepeatedPtrField<v1::Metric>& metrics) {
    points_.resize(metrics.size());
    std::vector<size_t> next(keys_.size());
    size_t begin = 0;
    for (size_t s = 0; s < keys_.size(); ++s) {
      next[s] = begin;
      series_.push_back(
          {keys_[s], absl::MakeConstSpan(points_).subspan(begin, counts_[s])});
      begin += counts_[s];
    }
    for (int i = 0; i < metrics.size(); ++i) {
      points_[next[series_of_[i]]++] = {metrics[i].timestamp(),
                                        metrics[i].step(),
                                        KeptValue(metrics[i].value())};
    }
  }

  absl::flat_hash_map<std::string_view, int> index_;
  // By series.
  std::vector<std::string_view> keys_;
  std::vector<size_t> counts_;
  std::vector<SeriesAppend> series_;
  // By metric.
  std::vector<int> series_of_;
  std::vector<MetricPoint> points_;

  RepeatedPtrField<v1::Metric> kept_;
  std::vector<const v1::Metric*> model_metrics_;
};

// Checks the entries and returns those to keep: the request's own, or, when a
// value had to be cut, a copy in *cut. `check` is CheckParam or CheckRunTag.
template <typename Entry, typename Check>
absl::StatusOr<const RepeatedPtrField<Entry>*> CheckEntries(
    std::string_view name, const RepeatedPtrField<Entry>& entries, Check check,
    RepeatedPtrField<Entry>* cut) {
  for (int i = 0; i < entries.size(); ++i) {
    const std::string field = StrCat(name, "[", i, "]");
    if (entries[i].key().empty()) return MissingParameter(field + ".key");
    ASSIGN_OR_RETURN(const std::string_view value,
                     check(field, entries[i].key(), entries[i].value()));
    if (value.size() == entries[i].value().size()) continue;
    if (cut->empty()) *cut = entries;
    cut->Mutable(i)->set_value(std::string(value));
  }
  return cut->empty() ? &entries : cut;
}

absl::Status CheckKeysDistinct(const RepeatedPtrField<v1::Param>& params) {
  absl::flat_hash_set<std::string_view> seen;
  for (const v1::Param& param : params) {
    if (!seen.insert(param.key()).second) {
      return InvalidParameter("The param '", param.key(),
                              "' is in the batch twice; give each key once.");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TrackingService::LogMetric(CallContext&,
                                        const v1::LogMetricRequest& request,
                                        v1::LogMetricResponse*) {
  ASSIGN_OR_RETURN(const std::string_view run_id, RunIdOf(request));
  RETURN_IF_ERROR(CheckMetricKey("", request.key()));
  RETURN_IF_ERROR(CheckTimestamp("", request.timestamp()));
  RETURN_IF_ERROR(CheckDataset("", request));
  const MetricPoint point{request.timestamp(), request.step(),
                          KeptValue(request.value())};
  const SeriesAppend series{request.key(), {&point, 1}};
  storage::RunLogBatch batch{.run_id = run_id, .metrics = {&series, 1}};
  if (request.model_id().empty()) return log_->Log(batch);

  v1::Metric metric;
  metric.set_key(request.key());
  metric.set_timestamp(point.timestamp_ms);
  metric.set_step(point.step);
  metric.set_value(point.value);
  metric.set_model_id(request.model_id());
  metric.set_dataset_name(request.dataset_name());
  metric.set_dataset_digest(request.dataset_digest());
  const v1::Metric* const metrics[] = {&metric};
  batch.model_metrics = metrics;
  return log_->Log(batch);
}

absl::Status TrackingService::LogBatch(CallContext&,
                                       const v1::LogBatchRequest& request,
                                       v1::LogBatchResponse*) {
  RETURN_IF_ERROR(CheckCounts(request));
  RETURN_IF_ERROR(CheckRunId(request.run_id()));
  BatchMetrics metrics;
  RETURN_IF_ERROR(metrics.Read(request.metrics()));
  RepeatedPtrField<v1::Param> cut_params;
  ASSIGN_OR_RETURN(
      const RepeatedPtrField<v1::Param>* params,
      CheckEntries("params", request.params(), CheckParam, &cut_params));
  RETURN_IF_ERROR(CheckKeysDistinct(*params));
  RepeatedPtrField<v1::RunTag> cut_tags;
  ASSIGN_OR_RETURN(const RepeatedPtrField<v1::RunTag>* tags,
                   CheckEntries("tags", request.tags(), CheckRunTag,
                                &cut_tags));
  return log_->Log({.run_id = request.run_id(),
                    .metrics = metrics.series(),
                    .params = params,
                    .tags = tags,
                    .model_metrics = metrics.model_metrics()});
}

}  // namespace millstream::server
