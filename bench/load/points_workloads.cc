// Workloads that write metric points to runs of their own.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/load/requests.h"
#include "bench/load/workload.h"

namespace millstream::bench {

namespace {

std::vector<std::string> Keys(size_t n) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < n; ++i) {
    keys.push_back(absl::StrFormat("metric_%02d", i));
  }
  return keys;
}

// Sends the steps of one run in order, `steps` of them per request.
class PointsClient : public Client {
 public:
  PointsClient(PointsRequest request, std::string run_id, int64_t steps,
               int64_t max_steps)
      : request_(std::move(request)),
        run_id_(std::move(run_id)),
        steps_(steps),
        max_steps_(max_steps) {}

  bool Next(bool time_is_up, Request* request) override {
    if (time_is_up || sent_ + steps_ > max_steps_) return false;
    request->bytes = request_.At(kFirstStep + sent_);
    sent_ += steps_;
    return true;
  }

  absl::Status OnAnswer(const Answer& answer) override {
    absl::Status status = CheckOk(answer);
    if (status.ok()) acknowledged_ += steps_;
    return status;
  }

  uint64_t units() const override {
    return acknowledged_ / steps_ * request_.points();
  }

  const std::string& run_id() const { return run_id_; }
  int64_t sent() const { return sent_; }
  int64_t acknowledged() const { return acknowledged_; }

 private:
  PointsRequest request_;
  const std::string run_id_;
  const int64_t steps_;
  const int64_t max_steps_;
  int64_t sent_ = 0;  // Steps.
  int64_t acknowledged_ = 0;
};

class PointsWorkload : public Workload {
 public:
  PointsWorkload(const WorkloadOptions& options, size_t keys, int64_t steps,
                 bool single)
      : options_(options), keys_(Keys(keys)), steps_(steps), single_(single) {}

  absl::string_view unit() const override {
    return single_ ? "requests" : "points";
  }

  absl::StatusOr<Clients> Prepare(Api& api) override {
    absl::StatusOr<std::string> experiment =
        api.EnsureExperiment(options_.experiment);
    if (!experiment.ok()) return experiment.status();
    int64_t max_steps = kMaxSteps;
    if (options_.count > 0) {
      max_steps = options_.count / keys_.size() / options_.clients;
    }
    Clients clients;
    for (size_t i = 0; i < options_.clients; ++i) {
      absl::StatusOr<std::string> run =
          api.CreateRun(*experiment, absl::StrCat("points-", i));
      if (!run.ok()) return run.status();
      PointsRequest request =
          single_ ? PointsRequest::Single(api.address(), *run, keys_[0])
                  : PointsRequest::Batch(api.address(), *run, keys_, steps_);
      auto client = std::make_unique<PointsClient>(std::move(request), *run,
                                                   steps_, max_steps);
      clients_.push_back(client.get());
      clients.push_back(std::move(client));
    }
    return clients;
  }

  absl::Status Verify(Api& api) override {
    for (const PointsClient* client : clients_) {
      absl::StatusOr<RunSummary> run = api.GetRun(client->run_id());
      if (!run.ok()) return run.status();
      for (const std::string& key : keys_) {
        absl::StatusOr<HistorySummary> history =
            api.History(client->run_id(), key);
        if (!history.ok()) return history.status();
        absl::Status status = Check(*client, key, *run, *history);
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

 private:
  // What failed may or may not be there; what was acknowledged must be.
  absl::Status Check(const PointsClient& client, const std::string& key,
                     const RunSummary& run, const HistorySummary& history) {
    int64_t points = history.points;
    if (points < client.acknowledged() || points > client.sent()) {
      return absl::DataLossError(
          absl::StrCat(key, " of ", client.run_id(), " has ", points,
                       " points, ", client.acknowledged(), " acknowledged"));
    }
    if (points == 0) return absl::OkStatus();
    auto latest = run.metrics.find(key);
    if (!history.ascending || latest == run.metrics.end() ||
        latest->second.step != history.last_step ||
        (points == client.sent() &&
         history.last_step != kFirstStep + points - 1)) {
      return absl::DataLossError(absl::StrCat(key, " of ", client.run_id(),
                                              ": the last step is wrong"));
    }
    return absl::OkStatus();
  }

  const WorkloadOptions options_;
  const std::vector<std::string> keys_;
  const int64_t steps_;
  const bool single_;
  std::vector<const PointsClient*> clients_;
};

}  // namespace

std::unique_ptr<Workload> MakeLogMetric(const WorkloadOptions& options) {
  return std::make_unique<PointsWorkload>(options, 1, 1, true);
}

std::unique_ptr<Workload> MakeLogBatch10(const WorkloadOptions& options) {
  return std::make_unique<PointsWorkload>(options, 10, 1, false);
}

std::unique_ptr<Workload> MakeLogBatch1000(const WorkloadOptions& options) {
  return std::make_unique<PointsWorkload>(options, 10, 100, false);
}

std::unique_ptr<Workload> MakeHistoryFill(const WorkloadOptions& options) {
  WorkloadOptions one = options;
  one.clients = 1;
  return std::make_unique<PointsWorkload>(one, 1, 1000, false);
}

}  // namespace millstream::bench
