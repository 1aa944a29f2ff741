// The service StreamService of streams.proto, which says what each rpc does.
#ifndef MILLSTREAM_SERVER_STREAM_SERVICE_H_
#define MILLSTREAM_SERVER_STREAM_SERVICE_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "base/reading.h"
#include "server/call_context.h"
#include "server/feed_stream.h"
#include "server/feed_subject.h"
#include "server/ingest_budget.h"
#include "server/metric_stream.h"
#include "server/stream.h"

namespace millstream::storage {
class RunLog;
}

namespace millstream::server {

class MethodTable;

// Thread-safe. Must outlive the calls.
class StreamService {
 public:
  // All must outlive the service. `log` announces to the feed what it logs.
  StreamService(storage::RunLog* log, const FeedParts& feed,
                IngestBudget* budget);

  // Binds every rpc of the service to its body.
  void Register(MethodTable* methods);

  // No stream goes on: what was read is answered for, then each ends with
  // TEMPORARILY_UNAVAILABLE. Does not wait for it.
  void Stop();

  absl::StatusOr<std::shared_ptr<StreamBody>> LogMetrics(CallContext& context);
  absl::StatusOr<std::shared_ptr<StreamBody>> TailMetrics(CallContext& context);
  absl::StatusOr<std::shared_ptr<StreamBody>> WatchRuns(CallContext& context);

  void AppendReadings(Readings* readings) const {
    for (const auto& [kind, open] :
         {std::pair("writers", metric_streams_.open()),
          std::pair("followers", feed_streams_.open())}) {
      readings->push_back({.name = "millstream_streams_open",
                           .help = "Streams that are open: of writers of "
                                   "metrics, and of those who follow runs.",
                           .value = static_cast<double>(open),
                           .label_name = "kind",
                           .label_value = kind});
    }
  }

 private:
  const FeedParts feed_;
  MetricStreams metric_streams_;
  FeedStreams feed_streams_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_STREAM_SERVICE_H_
