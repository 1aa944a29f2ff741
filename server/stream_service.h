// The service StreamService of streams.proto, which says what each rpc does.
#ifndef MILLSTREAM_SERVER_STREAM_SERVICE_H_
#define MILLSTREAM_SERVER_STREAM_SERVICE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "server/call_context.h"
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
  // All must outlive the service.
  StreamService(storage::RunLog* log, IngestBudget* budget);

  // Binds every rpc of the service to its body.
  void Register(MethodTable* methods);

  // No stream goes on: what was read is answered for, then each ends with
  // TEMPORARILY_UNAVAILABLE. Does not wait for it.
  void Stop();

  absl::StatusOr<std::shared_ptr<StreamBody>> LogMetrics(CallContext& context);

 private:
  MetricStreams metric_streams_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_STREAM_SERVICE_H_
