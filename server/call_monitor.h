// Counts calls for Prometheus: how many, how long they took, how they ended.
#ifndef MILLSTREAM_SERVER_CALL_MONITOR_H_
#define MILLSTREAM_SERVER_CALL_MONITOR_H_

#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/call_context.h"
#include "server/method_table.h"

namespace prometheus {
class Counter;
class Histogram;
template <typename T>
class Family;
}  // namespace prometheus

namespace millstream::monitoring {
class Monitor;
}

namespace millstream::server {

// Thread-safe.
class CallMonitor {
 public:
  // Makes the series of each of `methods`. Both must outlive this.
  CallMonitor(monitoring::Monitor* monitor, const MethodTable& methods);
  ~CallMonitor();
  CallMonitor(const CallMonitor&) = delete;
  CallMonitor& operator=(const CallMonitor&) = delete;

  // A call has ended so after this time; of a transfer: it has been opened, or
  // refused. Costs less than a microsecond if the status is OK.
  void Ended(const Method& method, Door door, const absl::Status& status,
             absl::Duration time);

  // A stream has ended so.
  void StreamEnded(const Method& method, const absl::Status& status);

 private:
  struct Series;

  prometheus::Family<prometheus::Counter>* failures_;
  prometheus::Family<prometheus::Counter>* streams_;
  absl::flat_hash_map<const Method*, std::unique_ptr<Series>> series_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_CALL_MONITOR_H_
