// Workloads that read what fill and history-fill wrote.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/load/requests.h"
#include "bench/load/workload.h"

namespace millstream::bench {

namespace {

constexpr absl::string_view kSearch = "/api/2.0/mlflow/runs/search";
// One run in 20: half by the metric, one in ten by the param.
constexpr absl::string_view kFilter =
    "metrics.m03 > 0.5 and params.p01 = 'v3'";
constexpr size_t kSampledPoints = 320;
constexpr absl::string_view kHistoryKey = "metric_00";

// A reading workload has nothing to verify afterwards: each answer is judged
// when it comes.
class ReadWorkload : public Workload {
 public:
  ReadWorkload(const WorkloadOptions& options, absl::string_view unit)
      : options_(options), unit_(unit) {}
  absl::string_view unit() const override { return unit_; }
  absl::Status Verify(Api&) override { return absl::OkStatus(); }

 protected:
  const WorkloadOptions options_;

 private:
  const absl::string_view unit_;
};

// Sends the given requests in turn; the first answer is judged with care,
// the others by status, so that the client stays light.
class RepeatClient : public Client {
 public:
  using Judge = std::function<absl::Status(absl::string_view body)>;

  RepeatClient(std::shared_ptr<const std::vector<std::string>> requests,
               size_t first, uint64_t count, Judge judge)
      : requests_(std::move(requests)),
        at_(first),
        left_(count),
        judge_(std::move(judge)) {}

  bool Next(bool time_is_up, Request* request) override {
    if (time_is_up || left_ == 0) return false;
    --left_;
    request->bytes = (*requests_)[at_++ % requests_->size()];
    return true;
  }

  absl::Status OnAnswer(const Answer& answer) override {
    absl::Status status = CheckOk(answer);
    if (status.ok() && answer.body_bytes < first_bytes_ / 4) {
      status = absl::DataLossError("an answer is much shorter than the first");
    }
    if (status.ok() && units_ == 0) {
      status = judge_(answer.body);
      first_bytes_ = answer.body_bytes;
    }
    if (status.ok()) ++units_;
    return status;
  }

  uint64_t units() const override { return units_; }

 private:
  const std::shared_ptr<const std::vector<std::string>> requests_;
  size_t at_;
  uint64_t left_;
  const Judge judge_;
  uint64_t units_ = 0;
  size_t first_bytes_ = 0;
};

// Clients that share a list of requests, each beginning elsewhere in it.
Clients Repeat(const WorkloadOptions& options,
               std::vector<std::string> requests, RepeatClient::Judge judge) {
  auto shared = std::make_shared<const std::vector<std::string>>(
      std::move(requests));
  uint64_t each = options.count == 0
                      ? UINT64_MAX
                      : (options.count + options.clients - 1) / options.clients;
  Clients clients;
  for (size_t i = 0; i < options.clients; ++i) {
    clients.push_back(std::make_unique<RepeatClient>(
        shared, i * shared->size() / options.clients, each, judge));
  }
  return clients;
}

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

absl::Status JudgeFiltered(absl::string_view body, size_t page) {
  absl::StatusOr<RunPage> answer = ReadRunPage(body);
  if (!answer.ok()) return answer.status();
  if (answer->runs.empty() || answer->runs.size() > page) {
    return absl::DataLossError("the page has the wrong number of runs");
  }
  for (RunSummary& run : answer->runs) {
    if (run.metrics["m03"].value <= 0.5 || run.params["p01"] != "v3") {
      return absl::DataLossError("a run does not match the filter");
    }
  }
  return absl::OkStatus();
}

absl::Status JudgeNewest(absl::string_view body, size_t page) {
  absl::StatusOr<RunPage> answer = ReadRunPage(body);
  if (!answer.ok()) return answer.status();
  return answer->runs.size() == page
             ? absl::OkStatus()
             : absl::DataLossError("the page has the wrong number of runs");
}

class SearchWorkload : public ReadWorkload {
 public:
  SearchWorkload(const WorkloadOptions& options, bool filtered)
      : ReadWorkload(options, "requests"), filtered_(filtered) {}

  absl::StatusOr<Clients> Prepare(Api& api) override {
    absl::StatusOr<std::string> experiment =
        api.FindExperiment(options_.experiment);
    if (!experiment.ok()) return experiment.status();
    size_t page = options_.page == 0 ? 100 : options_.page;
    std::string body = SearchRunsBody(
        *experiment, filtered_ ? kFilter : "",
        filtered_ ? "" : "attributes.start_time DESC", page, "");
    return Repeat(options_, {Post(api.address(), kSearch, body)},
                  [page, filtered = filtered_](absl::string_view body) {
                    return filtered ? JudgeFiltered(body, page)
                                    : JudgeNewest(body, page);
                  });
  }

 private:
  const bool filtered_;
};

// Reads pages until there is no next one; begins anew while there is time. A
// pass that has begun is ended: pages far back may cost more than the first.
class PagingClient : public Client {
 public:
  // What a page held, and the token of the next.
  struct Page {
    uint64_t units = 0;
    std::string next_page_token;
  };
  using MakeRequest = std::function<std::string(absl::string_view token)>;
  using ReadPage = std::function<absl::StatusOr<Page>(absl::string_view body)>;

  PagingClient(MakeRequest make, ReadPage read, uint64_t expect)
      : make_(std::move(make)), read_(std::move(read)), expect_(expect) {}

  bool Next(bool time_is_up, Request* request) override {
    if (token_.empty() && time_is_up) return false;
    request->bytes = make_(token_);
    return true;
  }

  absl::Status OnAnswer(const Answer& answer) override {
    absl::Status status = CheckOk(answer);
    absl::StatusOr<Page> page = status.ok() ? read_(answer.body) : status;
    if (!page.ok()) {
      token_.clear();
      pass_units_ = 0;
      return page.status();
    }
    units_ += page->units;
    pass_units_ += page->units;
    token_ = page->next_page_token;
    if (!token_.empty()) return absl::OkStatus();
    uint64_t found = std::exchange(pass_units_, 0);
    if (expect_ > 0 && found != expect_) {
      return absl::DataLossError(
          absl::StrCat("found ", found, " instead of ", expect_));
    }
    return absl::OkStatus();
  }

  uint64_t units() const override { return units_; }

 private:
  const MakeRequest make_;
  const ReadPage read_;
  const uint64_t expect_;
  std::string token_;
  uint64_t pass_units_ = 0;
  uint64_t units_ = 0;
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

std::unique_ptr<Workload> MakeSearchFilter(const WorkloadOptions& options) {
  return std::make_unique<SearchWorkload>(options, true);
}

std::unique_ptr<Workload> MakeSearchNewest(const WorkloadOptions& options) {
  return std::make_unique<SearchWorkload>(options, false);
}

std::unique_ptr<Workload> MakeSearchAll(const WorkloadOptions& options) {
  return std::make_unique<SearchAllWorkload>(options);
}

std::unique_ptr<Workload> MakeGetHistory(const WorkloadOptions& options) {
  return std::make_unique<GetHistoryWorkload>(options);
}

std::unique_ptr<Workload> MakeHistoryInterval(const WorkloadOptions& options) {
  return std::make_unique<HistoryIntervalWorkload>(options);
}

}  // namespace millstream::bench
