// What the server tells about itself to Prometheus: counts and times of calls,
// and readings of its parts taken when it is asked.
//
// The registry and the text are those of prometheus-cpp; format:
// https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4).
#ifndef MILLSTREAM_MONITORING_MONITOR_H_
#define MILLSTREAM_MONITORING_MONITOR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/reading.h"

namespace prometheus {
class Registry;
}

namespace millstream::monitoring {

// Content-Type of Monitor::Text().
inline constexpr char kTextFormat[] =
    "text/plain; version=0.0.4; charset=utf-8";

// Upper bounds of the buckets that times of calls are counted in, in seconds:
// those of mlflow's own series, and finer ones below, where most calls are.
const std::vector<double>& CallSeconds();

// Thread-safe.
class Monitor {
 public:
  // Tells of the process (process_*) and of this program's version from the
  // start.
  explicit Monitor(const std::string& version);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // For series that are counted as things happen. Lives as long as this.
  prometheus::Registry& registry() { return *registry_; }

  // Has `read` append to the readings whenever somebody asks, from any thread.
  // What it captures lives until StopReading().
  void AddReadings(std::function<void(Readings*)> read)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls none of them any more.
  void StopReading() ABSL_LOCKS_EXCLUDED(mutex_);

  // All series as they are now.
  std::string Text() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::unique_ptr<prometheus::Registry> registry_;
  mutable absl::Mutex mutex_;
  std::vector<std::function<void(Readings*)>> sources_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace millstream::monitoring

#endif  // MILLSTREAM_MONITORING_MONITOR_H_
