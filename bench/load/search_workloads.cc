// Workloads that search the runs that fill wrote.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bench/load/readers.h"
#include "bench/load/requests.h"
#include "bench/load/workload.h"

namespace millstream::bench {

namespace {

constexpr absl::string_view kSearch = "/api/2.0/mlflow/runs/search";
constexpr size_t kPage = 100;

// One search, and what must hold for each run that it finds.
struct Search {
  absl::string_view filter;
  absl::string_view order_by;
  bool (*matches)(RunSummary& run);
};

bool Any(RunSummary&) { return true; }

// Half of the runs.
constexpr Search kMetric = {
    "metrics.m03 > 0.5", "metrics.m03 DESC",
    [](RunSummary& run) { return run.metrics["m03"].value > 0.5; }};
// One in 20: half by the metric, one in ten by the param.
constexpr Search kFilter = {
    "metrics.m03 > 0.5 and params.p01 = 'v3'", "", [](RunSummary& run) {
      return run.metrics["m03"].value > 0.5 && run.params["p01"] == "v3";
    }};
// One in 60.
constexpr Search kParamAndTag = {
    "params.p05 = 'v3' and tags.t4 = 'tag 2'", "", [](RunSummary& run) {
      return run.params["p05"] == "v3" && run.tags["t4"] == "tag 2";
    }};
// One run in a thousand, found in the order of a metric.
constexpr Search kRare = {
    "metrics.m05 > 0.999", "metrics.m03",
    [](RunSummary& run) { return run.metrics["m05"].value > 0.999; }};
constexpr Search kOrderByParam = {"", "params.p07 DESC", Any};
constexpr Search kName = {
    "attributes.run_name LIKE '%-77%'", "", [](RunSummary& run) {
      return absl::StrContains(run.tags["mlflow.runName"], "-77");
    }};
constexpr Search kNewest = {"", "attributes.start_time DESC", Any};

absl::Status Judge(absl::string_view body, const Search& search, size_t page) {
  absl::StatusOr<RunPage> answer = ReadRunPage(body);
  if (!answer.ok()) return answer.status();
  const bool may_be_short = !search.filter.empty();
  if (answer->runs.empty() || answer->runs.size() > page ||
      (answer->runs.size() < page && !may_be_short)) {
    return absl::DataLossError("the page has the wrong number of runs");
  }
  for (RunSummary& run : answer->runs) {
    if (!search.matches(run)) {
      return absl::DataLossError("a run does not match the filter");
    }
  }
  return absl::OkStatus();
}

class SearchWorkload : public ReadWorkload {
 public:
  SearchWorkload(const WorkloadOptions& options, const Search& search,
                 bool in_the_middle = false)
      : ReadWorkload(options, "requests"),
        search_(search),
        page_(options.page == 0 ? kPage : options.page),
        in_the_middle_(in_the_middle) {}

  absl::StatusOr<Clients> Prepare(Api& api) override {
    absl::StatusOr<std::string> experiment =
        api.FindExperiment(options_.experiment);
    if (!experiment.ok()) return experiment.status();
    std::string token;
    if (in_the_middle_) {
      absl::StatusOr<std::string> found = FindMiddle(api, *experiment);
      if (!found.ok()) return found.status();
      token = *std::move(found);
    }
    return Repeat(
        options_,
        {Post(api.address(), kSearch,
              SearchRunsBody(*experiment, search_.filter, search_.order_by,
                             page_, token))},
        [search = search_, page = page_](absl::string_view body) {
          return Judge(body, search, page);
        });
  }

 private:
  // The token of the page behind half of the runs.
  absl::StatusOr<std::string> FindMiddle(Api& api,
                                         const std::string& experiment) {
    constexpr size_t kStride = 5000;
    std::string token;
    for (uint64_t seen = 0; seen < options_.expect / 2; seen += kStride) {
      const size_t rows = std::min<uint64_t>(
          kStride, std::max<uint64_t>(options_.expect / 2 - seen, 1));
      absl::StatusOr<std::string> body = api.Call(
          Post(api.address(), kSearch,
               SearchRunsBody(experiment, search_.filter, search_.order_by,
                              rows, token)));
      if (!body.ok()) return body.status();
      absl::StatusOr<RunPage> page = ReadRunPage(*body);
      if (!page.ok()) return page.status();
      if (page->next_page_token.empty()) {
        return absl::NotFoundError("there are fewer runs than --expect");
      }
      token = page->next_page_token;
    }
    return token;
  }

  const Search search_;
  const size_t page_;
  const bool in_the_middle_;
};

class SearchAllWorkload : public ReadWorkload {
 public:
  explicit SearchAllWorkload(const WorkloadOptions& options)
      : ReadWorkload(options, "runs") {}

  absl::StatusOr<Clients> Prepare(Api& api) override {
    absl::StatusOr<std::string> experiment =
        api.FindExperiment(options_.experiment);
    if (!experiment.ok()) return experiment.status();
    size_t rows = options_.page == 0 ? 1000 : options_.page;
    auto make = [id = *experiment, rows,
                 address = api.address()](absl::string_view token) {
      return Post(address, kSearch, SearchRunsBody(id, "", "", rows, token));
    };
    auto read =
        [](absl::string_view body) -> absl::StatusOr<PagingClient::Page> {
      absl::StatusOr<RunPage> page = ReadRunPage(body);
      if (!page.ok()) return page.status();
      return PagingClient::Page{page->runs.size(), page->next_page_token};
    };
    Clients clients;
    for (size_t i = 0; i < options_.clients; ++i) {
      clients.push_back(
          std::make_unique<PagingClient>(make, read, options_.expect));
    }
    return clients;
  }
};

}  // namespace

std::unique_ptr<Workload> MakeSearchMetric(const WorkloadOptions& options) {
  return std::make_unique<SearchWorkload>(options, kMetric);
}
std::unique_ptr<Workload> MakeSearchFilter(const WorkloadOptions& options) {
  return std::make_unique<SearchWorkload>(options, kFilter);
}
std::unique_ptr<Workload> MakeSearchParam(const WorkloadOptions& options) {
  return std::make_unique<SearchWorkload>(options, kParamAndTag);
}
std::unique_ptr<Workload> MakeSearchRare(const WorkloadOptions& options) {
  return std::make_unique<SearchWorkload>(options, kRare);
}
std::unique_ptr<Workload> MakeSearchByParam(const WorkloadOptions& options) {
  return std::make_unique<SearchWorkload>(options, kOrderByParam);
}
std::unique_ptr<Workload> MakeSearchName(const WorkloadOptions& options) {
  return std::make_unique<SearchWorkload>(options, kName);
}
std::unique_ptr<Workload> MakeSearchNewest(const WorkloadOptions& options) {
  return std::make_unique<SearchWorkload>(options, kNewest);
}
std::unique_ptr<Workload> MakeSearchDeep(const WorkloadOptions& options) {
  Search by_metric = kMetric;
  by_metric.filter = "";
  by_metric.matches = Any;
  return std::make_unique<SearchWorkload>(options, by_metric,
                                          /*in_the_middle=*/true);
}
std::unique_ptr<Workload> MakeSearchAll(const WorkloadOptions& options) {
  return std::make_unique<SearchAllWorkload>(options);
}

}  // namespace millstream::bench
