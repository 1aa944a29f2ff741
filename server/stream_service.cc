#include "server/stream_service.h"

#include "millstream/v1/streams.pb.h"
#include "server/method_table.h"

namespace millstream::server {

StreamService::StreamService(storage::RunLog* log, IngestBudget* budget)
    : metric_streams_(log, budget, {}) {}

void StreamService::Register(MethodTable* methods) {
  methods->Service(
      v1::LogMetricsRequest::descriptor()->file()->FindServiceByName(
          "StreamService"));
  methods->Streams("LogMetrics", this, &StreamService::LogMetrics);
}

void StreamService::Stop() { metric_streams_.Stop(); }

absl::StatusOr<std::shared_ptr<StreamBody>> StreamService::LogMetrics(
    CallContext& context) {
  return metric_streams_.Open(context);
}

}  // namespace millstream::server
