#include "server/call_monitor.h"

#include <string>

#include "base/error.h"
#include "monitoring/monitor.h"
#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace millstream::server {
namespace {

const char* NameOf(Door door) { return door == Door::kRest ? "rest" : "grpc"; }

prometheus::Labels LabelsOf(const Method& method) {
  return {{"service", std::string(method.descriptor->service()->name())},
          {"method", std::string(method.descriptor->name())}};
}

prometheus::Labels LabelsOf(const Method& method, const absl::Status& status) {
  prometheus::Labels labels = LabelsOf(method);
  labels["code"] =
      status.ok() ? "OK" : std::string(GetErrorName(GetErrorCode(status)));
  return labels;
}

}  // namespace

struct CallMonitor::Series {
  // By door.
  prometheus::Histogram* seconds[2];
};

CallMonitor::CallMonitor(monitoring::Monitor* monitor,
                         const MethodTable& methods) {
  auto& seconds = prometheus::BuildHistogram()
                      .Name("millstream_call_duration_seconds")
                      .Help("Time that calls took, by rpc and door; of "
                            "transfers, until they were opened.")
                      .Register(monitor->registry());
  failures_ = &prometheus::BuildCounter()
                   .Name("millstream_call_failures_total")
                   .Help("Calls that ended with an error, by its code.")
                   .Register(monitor->registry());
  streams_ = &prometheus::BuildCounter()
                  .Name("millstream_streams_ended_total")
                  .Help("Streams that have ended, by the code they ended with.")
                  .Register(monitor->registry());
  for (const Method* method : methods.methods()) {
    if (method->stream) continue;
    auto series = std::make_unique<Series>();
    for (const Door door : {Door::kGrpc, Door::kRest}) {
      prometheus::Labels labels = LabelsOf(*method);
      labels["door"] = NameOf(door);
      series->seconds[static_cast<int>(door)] =
          &seconds.Add(labels, monitoring::CallSeconds());
    }
    series_.emplace(method, std::move(series));
  }
}

CallMonitor::~CallMonitor() = default;

void CallMonitor::Ended(const Method& method, Door door,
                        const absl::Status& status, absl::Duration time) {
  const auto found = series_.find(&method);
  if (found == series_.end()) return;
  found->second->seconds[static_cast<int>(door)]->Observe(
      absl::ToDoubleSeconds(time));
  if (!status.ok()) failures_->Add(LabelsOf(method, status)).Increment();
}

void CallMonitor::StreamEnded(const Method& method,
                              const absl::Status& status) {
  streams_->Add(LabelsOf(method, status)).Increment();
}

}  // namespace millstream::server
