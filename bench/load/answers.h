// What the load generator needs to know of the server's answers.
#ifndef MILLSTREAM_BENCH_LOAD_ANSWERS_H_
#define MILLSTREAM_BENCH_LOAD_ANSWERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace millstream::bench {

struct MetricPoint {
  double value = 0;
  int64_t step = 0;
};

struct RunSummary {
  std::string run_id;
  std::string status;
  std::map<std::string, MetricPoint> metrics;  // The latest of each key.
  std::map<std::string, std::string> params;
  std::map<std::string, std::string> tags;
};

struct RunPage {
  std::vector<RunSummary> runs;
  std::string next_page_token;  // Empty on the last page.
};

// A page of a history, or several put together.
struct HistorySummary {
  uint64_t points = 0;
  int64_t first_step = 0;
  int64_t last_step = 0;
  bool ascending = true;  // No step is below the one before it.
  std::string next_page_token;

  // Puts the next page behind this one.
  void Append(const HistorySummary& page);
};

// Each returns INVALID_ARGUMENT when the body is not the JSON it should be.
absl::StatusOr<std::string> ReadString(absl::string_view body,
                                       const char* key);
absl::StatusOr<std::string> ReadExperimentId(absl::string_view body);
absl::StatusOr<std::string> ReadCreatedRunId(absl::string_view body);
absl::StatusOr<RunSummary> ReadRun(absl::string_view body);
absl::StatusOr<RunPage> ReadRunPage(absl::string_view body);
absl::StatusOr<HistorySummary> ReadHistoryPage(absl::string_view body);

}  // namespace millstream::bench

#endif  // MILLSTREAM_BENCH_LOAD_ANSWERS_H_
