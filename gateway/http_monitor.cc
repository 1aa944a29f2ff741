#include "gateway/http_monitor.h"

#include <algorithm>
#include <string>

#include "gateway/raw_routes.h"
#include "monitoring/monitor.h"
#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace millstream::gateway {
namespace {

constexpr std::string_view kMethodNames[] = {
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"};

}  // namespace

HttpMonitor::HttpMonitor(monitoring::Monitor* monitor)
    : seconds_(&prometheus::BuildHistogram()
                    .Name("mlflow_http_request_duration_seconds")
                    .Help("Time from a request's head to its answer, in "
                          "seconds.")
                    .Register(monitor->registry())),
      total_(&prometheus::BuildCounter()
                  .Name("mlflow_http_request_total")
                  .Help("Requests that were answered.")
                  .Register(monitor->registry())),
      exceptions_(&prometheus::BuildCounter()
                       .Name("mlflow_http_request_exceptions_total")
                       .Help("Requests that failed by a fault of the server.")
                       .Register(monitor->registry())) {
  static_assert(std::size(kMethodNames) == kMethods);
}

void HttpMonitor::Answered(std::string_view method, int status,
                           double seconds) {
  const auto* const end = std::end(kMethodNames) - 1;
  const int method_index = static_cast<int>(
      std::find(std::begin(kMethodNames), end, method) -
      std::begin(kMethodNames));
  const int status_index =
      std::clamp(status - kStatusMin, 0, kStatuses - 1);
  const size_t slot = method_index * kStatuses + status_index;
  prometheus::Histogram* histogram = seconds_of_[slot].load();
  prometheus::Counter* counter = total_of_[slot].load();
  if (histogram == nullptr || counter == nullptr) {
    // Whoever adds the same labels gets the same series.
    const prometheus::Labels labels = {
        {"method", std::string(kMethodNames[method_index])},
        {"status", std::to_string(status_index + kStatusMin)}};
    prometheus::Labels with_version = labels;
    with_version["mlflow_version"] = kMlflowVersion;
    histogram = &seconds_->Add(with_version, monitoring::CallSeconds());
    counter = &total_->Add(labels);
    seconds_of_[slot].store(histogram);
    total_of_[slot].store(counter);
  }
  histogram->Observe(seconds);
  counter->Increment();
  if (status == 500) {
    exceptions_
        ->Add({{"method", std::string(kMethodNames[method_index])},
               {"status", "500"}})
        .Increment();
  }
}

}  // namespace millstream::gateway
