#include "server/stream_service.h"

#include "millstream/v1/streams.pb.h"
#include "server/feed_sources.h"
#include "server/method_table.h"

namespace millstream::server {

StreamService::StreamService(storage::RunLog* log, const FeedParts& feed,
                             IngestBudget* budget)
    : feed_(feed), metric_streams_(log, budget, {}), feed_streams_({}) {}

void StreamService::Register(MethodTable* methods) {
  methods->Service(
      v1::LogMetricsRequest::descriptor()->file()->FindServiceByName(
          "StreamService"));
  methods->Streams("LogMetrics", this, &StreamService::LogMetrics);
  methods->Streams("TailMetrics", this, &StreamService::TailMetrics);
  methods->Streams("WatchRuns", this, &StreamService::WatchRuns);
}

void StreamService::Stop() {
  metric_streams_.Stop();
  feed_streams_.Stop();
}

absl::StatusOr<std::shared_ptr<StreamBody>> StreamService::LogMetrics(
    CallContext& context) {
  return metric_streams_.Open(context);
}

absl::StatusOr<std::shared_ptr<StreamBody>> StreamService::TailMetrics(
    CallContext& context) {
  return feed_streams_.Open(context, MakeTailSource(feed_));
}

absl::StatusOr<std::shared_ptr<StreamBody>> StreamService::WatchRuns(
    CallContext& context) {
  return feed_streams_.Open(context, MakeWatchSource(feed_));
}

}  // namespace millstream::server
