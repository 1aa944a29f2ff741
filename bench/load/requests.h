// The bytes of requests to MLflow's REST API. Bodies that are sent often are
// made once and only their digits change: the generator must not be the limit.
#ifndef MILLSTREAM_BENCH_LOAD_REQUESTS_H_
#define MILLSTREAM_BENCH_LOAD_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "bench/load/address.h"

namespace millstream::bench {

// Steps begin here, so that each has the same number of digits.
inline constexpr int64_t kFirstStep = 10'000'000;
inline constexpr int64_t kMaxSteps = 89'000'000;
// The time of the step kFirstStep, in ms; one step later is 1 ms later.
inline constexpr int64_t kFirstTimestampMs = 1'700'000'000'000;

std::string Get(const Address& address, absl::string_view path);
std::string Post(const Address& address, absl::string_view path,
                 absl::string_view json);
// The head of a PUT of `bytes` bytes.
std::string PutHead(const Address& address, absl::string_view path,
                    size_t bytes);

// `start_time_ms` may be 0: then the server is told kFirstTimestampMs.
std::string CreateRunBody(absl::string_view experiment_id,
                          absl::string_view name, int64_t start_time_ms);
std::string FinishRunBody(absl::string_view run_id, int64_t end_time_ms);
// `filter` and `order_by` must need no escape in JSON.
std::string SearchRunsBody(absl::string_view experiment_id,
                           absl::string_view filter, absl::string_view order_by,
                           size_t max_results, absl::string_view page_token);
std::string HistoryPath(absl::string_view run_id, absl::string_view key,
                        size_t max_results, absl::string_view page_token);

// Escapes what a query value may not hold.
std::string QueryEscape(absl::string_view text);

// Values like those of a training curve: a float32 that falls slowly with
// noise, printed with 16 decimals as Python prints it. Always 18 characters.
// The same `index` gives the same text in every process.
absl::string_view CurveValue(uint64_t index);

// A POST of log-batch or log-metric whose keys and shape stay and whose steps,
// timestamps and values advance. Not thread-safe.
class PointsRequest {
 public:
  // One point of one key by runs/log-metric.
  static PointsRequest Single(const Address& address, absl::string_view run_id,
                              absl::string_view key);
  // `steps` steps of each of `keys` keys by runs/log-batch, step by step.
  static PointsRequest Batch(const Address& address, absl::string_view run_id,
                             const std::vector<std::string>& keys,
                             size_t steps);

  // The bytes for points from `first_step` on; valid until the next call.
  const std::string& At(int64_t first_step);
  size_t points() const { return places_.size(); }

 private:
  struct Place {
    size_t value;
    size_t timestamp;
    size_t step;
    uint32_t step_offset;
  };

  void AddPoint(std::string* body, absl::string_view prefix,
                absl::string_view key, uint32_t step_offset);
  void Wrap(const Address& address, absl::string_view path,
            absl::string_view body);

  std::string bytes_;
  std::vector<Place> places_;
  uint64_t next_value_ = 0;
};

}  // namespace millstream::bench

#endif  // MILLSTREAM_BENCH_LOAD_REQUESTS_H_
