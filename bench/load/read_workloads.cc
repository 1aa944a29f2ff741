// Workloads that read runs and histories that fill and history-fill wrote.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/load/readers.h"
#include "bench/load/requests.h"

namespace millstream::bench {

namespace {

constexpr size_t kSampledPoints = 320;
constexpr absl::string_view kHistoryKey = "metric_00";

class GetRunWorkload : public ReadWorkload {
 public:
  explicit GetRunWorkload(const WorkloadOptions& options)
      : ReadWorkload(options, "requests") {}

  absl::StatusOr<Clients> Prepare(Api& api) override {
    absl::StatusOr<std::string> experiment =
        api.FindExperiment(options_.experiment);
    if (!experiment.ok()) return experiment.status();
    absl::StatusOr<std::vector<RunSummary>> runs = api.Runs(*experiment, 1000);
    if (!runs.ok()) return runs.status();
    if (runs->empty()) return absl::NotFoundError("no runs; fill first");
    std::vector<std::string> requests;
    for (const RunSummary& run : *runs) {
      requests.push_back(
          Get(api.address(),
              absl::StrCat("/api/2.0/mlflow/runs/get?run_id=", run.run_id,
                           "&run_uuid=", run.run_id)));
    }
    return Repeat(options_, std::move(requests), [](absl::string_view body) {
      absl::StatusOr<RunSummary> run = ReadRun(body);
      if (!run.ok()) return run.status();
      return run->params.size() == 20 && run->metrics.size() == 20
                 ? absl::OkStatus()
                 : absl::DataLossError("a run is incomplete");
    });
  }
};

// The run that history-fill made last.
absl::StatusOr<std::string> FindHistoryRun(Api& api,
                                           const WorkloadOptions& options) {
  absl::StatusOr<std::string> experiment =
      api.FindExperiment(options.experiment);
  if (!experiment.ok()) return experiment.status();
  absl::StatusOr<std::vector<RunSummary>> runs = api.Runs(*experiment, 1);
  if (!runs.ok()) return runs.status();
  if (runs->empty()) return absl::NotFoundError("no run; history-fill first");
  return (*runs)[0].run_id;
}

class GetHistoryWorkload : public ReadWorkload {
 public:
  explicit GetHistoryWorkload(const WorkloadOptions& options)
      : ReadWorkload(options, "points") {}

  absl::StatusOr<Clients> Prepare(Api& api) override {
    absl::StatusOr<std::string> run = FindHistoryRun(api, options_);
    if (!run.ok()) return run.status();
    size_t rows = options_.page == 0 ? 25'000 : options_.page;
    auto make = [run = *run, rows,
                 address = api.address()](absl::string_view token) {
      return Get(address, HistoryPath(run, kHistoryKey, rows, token));
    };
    auto read =
        [](absl::string_view body) -> absl::StatusOr<PagingClient::Page> {
      absl::StatusOr<HistorySummary> page = ReadHistoryPage(body);
      if (!page.ok()) return page.status();
      if (!page->ascending) return absl::DataLossError("steps out of order");
      return PagingClient::Page{page->points, page->next_page_token};
    };
    Clients clients;
    for (size_t i = 0; i < options_.clients; ++i) {
      clients.push_back(
          std::make_unique<PagingClient>(make, read, options_.expect));
    }
    return clients;
  }
};

class HistoryIntervalWorkload : public ReadWorkload {
 public:
  explicit HistoryIntervalWorkload(const WorkloadOptions& options)
      : ReadWorkload(options, "requests") {}

  absl::StatusOr<Clients> Prepare(Api& api) override {
    absl::StatusOr<std::string> run = FindHistoryRun(api, options_);
    if (!run.ok()) return run.status();
    std::string path = absl::StrCat(
        "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids=",
        *run, "&metric_key=", kHistoryKey, "&max_results=", kSampledPoints);
    return Repeat(options_, {Get(api.address(), path)},
                  [](absl::string_view body) -> absl::Status {
                    absl::StatusOr<HistorySummary> page = ReadHistoryPage(body);
                    if (!page.ok()) return page.status();
                    if (page->points >= kSampledPoints && page->ascending) {
                      return absl::OkStatus();
                    }
                    return absl::DataLossError("too few points, or disorder");
                  });
  }
};

}  // namespace

std::unique_ptr<Workload> MakeGetRun(const WorkloadOptions& options) {
  return std::make_unique<GetRunWorkload>(options);
}

std::unique_ptr<Workload> MakeGetHistory(const WorkloadOptions& options) {
  return std::make_unique<GetHistoryWorkload>(options);
}

std::unique_ptr<Workload> MakeHistoryInterval(const WorkloadOptions& options) {
  return std::make_unique<HistoryIntervalWorkload>(options);
}

}  // namespace millstream::bench
