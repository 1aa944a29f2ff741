#include "bench/load/workload.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace millstream::bench {

const std::vector<WorkloadInfo>& Workloads() {
  static const auto* const workloads = new std::vector<WorkloadInfo>{
      {"log-metric", "one point per request, a run per client", MakeLogMetric},
      {"log-batch-10", "10 points per request: 10 keys, 1 step",
       MakeLogBatch10},
      {"log-batch-1000", "1,000 points per request: 10 keys, 100 steps",
       MakeLogBatch1000},
      {"sweep", "short runs: create, log-batch, 2 log-metric, FINISHED",
       MakeSweep},
      {"fill", "runs of 20 params, 10 tags, 20 metrics: create, log-batch",
       MakeFill},
      {"history-fill", "one key of one run, 1,000 points per request",
       MakeHistoryFill},
      {"get-run", "runs of a filled experiment", MakeGetRun},
      {"search-metric", "a filled experiment, metric filter and order",
       MakeSearchMetric},
      {"search-filter", "by a metric and a param, newest first",
       MakeSearchFilter},
      {"search-param", "by a param and a tag, newest first", MakeSearchParam},
      {"search-rare", "one run in 1,000, in the order of another metric",
       MakeSearchRare},
      {"search-by-param", "all, in the order of a param", MakeSearchByParam},
      {"search-name", "by a part of the name, newest first", MakeSearchName},
      {"search-deep", "all by a metric, the page behind half of --expect",
       MakeSearchDeep},
      {"search-newest", "the newest 100 runs of a filled experiment",
       MakeSearchNewest},
      {"search-all", "all runs of a filled experiment, page by page",
       MakeSearchAll},
      {"get-history", "the history that history-fill wrote, by pages of 25,000",
       MakeGetHistory},
      {"history-interval", "320 points sampled of that history",
       MakeHistoryInterval},
      {"artifact-upload", "one file through the artifact proxy",
       MakeArtifactUpload},
      {"artifact-download", "the file that artifact-upload wrote",
       MakeArtifactDownload},
  };
  return *workloads;
}

absl::Status CheckOk(const Answer& answer) {
  if (answer.status == 200) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "status ", answer.status, ": ", answer.body.substr(0, 300)));
}

}  // namespace millstream::bench
