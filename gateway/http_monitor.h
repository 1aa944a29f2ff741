// Counts answers of the REST door for Prometheus, under the names and labels of
// mlflow's own exporter (prometheus_flask_exporter with prefix "mlflow").
#ifndef MILLSTREAM_GATEWAY_HTTP_MONITOR_H_
#define MILLSTREAM_GATEWAY_HTTP_MONITOR_H_

#include <array>
#include <atomic>
#include <string_view>

namespace prometheus {
class Counter;
class Histogram;
template <typename T>
class Family;
}  // namespace prometheus

namespace millstream::monitoring {
class Monitor;
}

namespace millstream::gateway {

// Thread-safe.
class HttpMonitor {
 public:
  // `monitor` must outlive this.
  explicit HttpMonitor(monitoring::Monitor* monitor);
  HttpMonitor(const HttpMonitor&) = delete;
  HttpMonitor& operator=(const HttpMonitor&) = delete;

  // A request with this method was answered so, after so many seconds. Methods
  // that HTTP does not know are counted together: callers make no series.
  void Answered(std::string_view method, int status, double seconds);

 private:
  static constexpr int kMethods = 8;
  static constexpr int kStatusMin = 100;
  static constexpr int kStatuses = 500;

  prometheus::Family<prometheus::Histogram>* seconds_;
  prometheus::Family<prometheus::Counter>* total_;
  prometheus::Family<prometheus::Counter>* exceptions_;
  // Made when first counted; null before.
  std::array<std::atomic<prometheus::Histogram*>, kMethods * kStatuses>
      seconds_of_{};
  std::array<std::atomic<prometheus::Counter*>, kMethods * kStatuses>
      total_of_{};
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_HTTP_MONITOR_H_
