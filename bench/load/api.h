// MLflow's REST API, one blocking call at a time: for what comes before and
// after a measured phase, where speed does not matter.
#ifndef MILLSTREAM_BENCH_LOAD_API_H_
#define MILLSTREAM_BENCH_LOAD_API_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bench/load/address.h"
#include "bench/load/answers.h"
#include "bench/load/response_parser.h"

namespace millstream::bench {

// Not thread-safe. Each method returns UNAVAILABLE when the connection fails
// and FAILED_PRECONDITION, with what the server said, for any status but 200.
class Api {
 public:
  explicit Api(Address address) : address_(std::move(address)) {}
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  const Address& address() const { return address_; }

  // Sends `bytes`, a whole request; the body of the answer.
  absl::StatusOr<std::string> Call(absl::string_view bytes);

  // The experiment's id; it is created when missing.
  absl::StatusOr<std::string> EnsureExperiment(absl::string_view name);
  // NOT_FOUND when there is none.
  absl::StatusOr<std::string> FindExperiment(absl::string_view name);
  absl::StatusOr<std::string> CreateRun(absl::string_view experiment_id,
                                        absl::string_view name);
  absl::StatusOr<RunSummary> GetRun(absl::string_view run_id);
  // Up to `limit` runs of the experiment, newest first; all with 0.
  absl::StatusOr<std::vector<RunSummary>> Runs(absl::string_view experiment_id,
                                               size_t limit);
  // Reads the whole history of a key, page by page.
  absl::StatusOr<HistorySummary> History(absl::string_view run_id,
                                         absl::string_view key);

 private:
  absl::StatusOr<std::string> Exchange(absl::string_view bytes);
  void Close();

  const Address address_;
  int fd_ = -1;
  ResponseParser parser_;
};

}  // namespace millstream::bench

#endif  // MILLSTREAM_BENCH_LOAD_API_H_
