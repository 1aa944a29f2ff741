// Workloads that make runs.
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/load/requests.h"
#include "bench/load/workload.h"

namespace millstream::bench {

namespace {

constexpr absl::string_view kRuns = "/api/2.0/mlflow/runs/";

// How many of each a run gets by log-batch.
struct RunShape {
  size_t params;
  size_t tags;
  size_t metrics;
  bool finish;  // Then also 2 log-metric and the status FINISHED.
};

constexpr RunShape kSweepShape = {10, 5, 0, true};
constexpr RunShape kFillShape = {20, 10, 20, false};

// The number of the next run, shared by the clients of a workload.
struct Counter {
  uint64_t next = 0;
  uint64_t end = 0;  // 0: none.
};

// Spreads run numbers over [0, 1) without order.
double Spread(uint64_t number, uint64_t salt) {
  uint64_t x = (number + 1) * 0x9E3779B97F4A7C15u + salt * 0xBF58476D1CE4E5B9u;
  x ^= x >> 31;
  x *= 0x94D049BB133111EBu;
  x ^= x >> 29;
  return static_cast<double>(x >> 11) * 0x1p-53;
}

std::string BatchBody(const RunShape& shape, absl::string_view run_id,
                      uint64_t number) {
  std::string body = absl::StrCat(R"({"run_id": ")", run_id, "\"");
  absl::string_view comma;
  auto begin = [&](absl::string_view list) {
    absl::StrAppend(&body, R"(, ")", list, R"(": [)");
    comma = "";
  };
  begin("metrics");
  for (size_t i = 0; i < shape.metrics; ++i, comma = ", ") {
    absl::StrAppendFormat(
        &body, R"(%s{"key": "m%02d", "value": %.16f, "timestamp": %d, )"
               R"("step": %d})",
        comma, i, Spread(number, i), kFirstTimestampMs + number, i);
  }
  absl::StrAppend(&body, "]");
  begin("params");
  for (size_t i = 0; i < shape.params; ++i, comma = ", ") {
    absl::StrAppendFormat(&body, R"(%s{"key": "p%02d", "value": "v%d"})",
                          comma, i, (number / (i == 1 ? 1 : i + 1)) % 10);
  }
  absl::StrAppend(&body, "]");
  begin("tags");
  for (size_t i = 0; i < shape.tags; ++i, comma = ", ") {
    absl::StrAppendFormat(&body, R"(%s{"key": "t%d", "value": "tag %d"})",
                          comma, i, number % (i + 2));
  }
  absl::StrAppend(&body, "]}");
  return body;
}

// Makes one run after another.
class RunsClient : public Client {
 public:
  RunsClient(const Address& address, std::string experiment_id,
             const RunShape& shape, Counter* counter)
      : address_(address),
        experiment_id_(std::move(experiment_id)),
        shape_(shape),
        last_stage_(shape.finish ? 4 : 1),
        counter_(counter) {}

  bool Next(bool time_is_up, Request* request) override {
    if (stage_ == 0) {
      if (time_is_up || failed_ ||
          (counter_->end > 0 && counter_->next >= counter_->end)) {
        return false;
      }
      number_ = counter_->next++;
    }
    request->bytes = Post(address_, absl::StrCat(kRuns, Rpc()), Body());
    return true;
  }

  absl::Status OnAnswer(const Answer& answer) override {
    absl::Status status = CheckOk(answer);
    if (status.ok() && stage_ == 0) {
      absl::StatusOr<std::string> run_id = ReadCreatedRunId(answer.body);
      if (run_id.ok()) run_id_ = *run_id;
      status = run_id.status();
    }
    done_ = !status.ok() || stage_ == last_stage_;
    if (status.ok() && done_) runs_.push_back(run_id_);
    if (!status.ok()) failed_ = true;
    stage_ = done_ ? 0 : stage_ + 1;
    return status;
  }

  bool OperationDone() const override { return done_; }
  uint64_t units() const override { return runs_.size(); }
  const std::vector<std::string>& runs() const { return runs_; }

 private:
  absl::string_view Rpc() const {
    switch (stage_) {
      case 0:
        return "create";
      case 1:
        return "log-batch";
      case 4:
        return "update";
      default:
        return "log-metric";
    }
  }

  std::string Body() const {
    int64_t now_ms = kFirstTimestampMs + static_cast<int64_t>(number_);
    switch (stage_) {
      case 0:
        return CreateRunBody(experiment_id_, absl::StrCat("run-", number_),
                             now_ms);
      case 1:
        return BatchBody(shape_, run_id_, number_);
      case 4:
        return FinishRunBody(run_id_, now_ms + 1);
      default:
        return absl::StrFormat(
            R"({"run_uuid": "%s", "run_id": "%s", "key": "%s", )"
            R"("value": %.16f, "timestamp": %d, "step": %d})",
            run_id_, run_id_, stage_ == 2 ? "loss" : "accuracy",
            Spread(number_, stage_), now_ms, stage_);
    }
  }

  const Address address_;
  const std::string experiment_id_;
  const RunShape shape_;
  const int last_stage_;
  Counter* const counter_;
  uint64_t number_ = 0;
  int stage_ = 0;
  bool done_ = false;
  bool failed_ = false;
  std::string run_id_;
  std::vector<std::string> runs_;
};

class RunsWorkload : public Workload {
 public:
  RunsWorkload(const WorkloadOptions& options, const RunShape& shape)
      : options_(options), shape_(shape) {
    counter_.end = options.count;
  }

  absl::string_view unit() const override { return "runs"; }

  absl::StatusOr<Clients> Prepare(Api& api) override {
    absl::StatusOr<std::string> experiment =
        api.EnsureExperiment(options_.experiment);
    if (!experiment.ok()) return experiment.status();
    experiment_id_ = *experiment;
    Clients clients;
    for (size_t i = 0; i < options_.clients; ++i) {
      auto client = std::make_unique<RunsClient>(api.address(), experiment_id_,
                                                 shape_, &counter_);
      clients_.push_back(client.get());
      clients.push_back(std::move(client));
    }
    return clients;
  }

  absl::Status Verify(Api& api) override {
    std::set<std::string> missing;
    for (const RunsClient* client : clients_) {
      missing.insert(client->runs().begin(), client->runs().end());
    }
    absl::StatusOr<std::vector<RunSummary>> runs = api.Runs(experiment_id_, 0);
    if (!runs.ok()) return runs.status();
    for (const RunSummary& run : *runs) {
      if (missing.erase(run.run_id) == 0) continue;  // Of another repetition.
      size_t metrics = shape_.finish ? 2 : shape_.metrics;
      if (run.params.size() != shape_.params ||
          run.tags.size() < shape_.tags || run.metrics.size() != metrics ||
          (shape_.finish && run.status != "FINISHED")) {
        return absl::DataLossError(
            absl::StrCat("run ", run.run_id, " is incomplete"));
      }
    }
    if (!missing.empty()) {
      return absl::DataLossError(
          absl::StrCat(missing.size(), " acknowledged runs are missing"));
    }
    return absl::OkStatus();
  }

 private:
  const WorkloadOptions options_;
  const RunShape shape_;
  Counter counter_;
  std::string experiment_id_;
  std::vector<const RunsClient*> clients_;
};

}  // namespace

std::unique_ptr<Workload> MakeSweep(const WorkloadOptions& options) {
  return std::make_unique<RunsWorkload>(options, kSweepShape);
}

std::unique_ptr<Workload> MakeFill(const WorkloadOptions& options) {
  return std::make_unique<RunsWorkload>(options, kFillShape);
}

}  // namespace millstream::bench
