#include "client/run_writer.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <random>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "client/connection.h"
#include "client/log_buffer.h"
#include "client/sender.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::client {
namespace {

// Before a call whose answer was lost is made again.
constexpr absl::Duration kAgainWait = absl::Milliseconds(20);
constexpr char kLogBatch[] = "TrackingService/LogBatch";

int64_t NowMs() { return absl::ToUnixMillis(absl::Now()); }

// 32 hexadecimal digits that nobody else has.
std::string MakeId() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 4; ++i) {
    absl::StrAppend(&id, absl::Hex(device(), absl::kZeroPad8));
  }
  return id;
}

void TellOnStderr(const std::string& run_id, const absl::Status& trouble) {
  const std::string text =
      trouble.ok()
          ? "goes on"
          : StrCat(
                "what is logged waits in memory: ",
                trouble.ToString(absl::StatusToStringMode::kWithNoExtraData));
  std::fprintf(stderr, "millstream: run %s: %s\n", run_id.c_str(),
               text.c_str());
}

Sender::Tell TellOf(const WriterOptions& options, const std::string& run_id) {
  if (options.on_trouble != nullptr) return options.on_trouble;
  return
      [run_id](const absl::Status& trouble) { TellOnStderr(run_id, trouble); };
}

absl::Status CheckOptions(const WriterOptions& options) {
  if (options.buffer_bytes < kBufferBytesMin) {
    return absl::InvalidArgumentError(
        StrCat("'buffer_bytes' must be at least ", kBufferBytesMin));
  }
  if (options.full_wait < absl::ZeroDuration() ||
      options.linger < absl::ZeroDuration() ||
      options.open_wait < absl::ZeroDuration() ||
      options.lost_wait < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("a duration is negative");
  }
  return absl::OkStatus();
}

absl::Status CheckPairs(const Pairs& pairs) {
  for (const auto& [key, value] : pairs) {
    if (key.size() + value.size() > kPairBytesMax) {
      return absl::InvalidArgumentError(
          StrCat("a param or tag has more than ", kPairBytesMax, " bytes"));
    }
  }
  return absl::OkStatus();
}

template <typename Repeated>
void AddPairs(const Pairs& pairs, size_t begin, size_t end, Repeated* out) {
  for (size_t i = begin; i < std::min(end, pairs.size()); ++i) {
    auto* pair = out->Add();
    pair->set_key(pairs[i].first);
    pair->set_value(pairs[i].second);
  }
}

// Makes a call until somebody answers it: one whose answer is lost is made
// again, so it must be one that can be.
absl::Status CallUntil(Connection* connection, const std::string& method,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* response,
                       absl::Time until) {
  while (true) {
    const absl::Status status = connection->Call(
        method, request, response, until - absl::Now(), /*patient=*/true);
    if (!absl::IsUnavailable(status) || absl::Now() + kAgainWait >= until) {
      return status;
    }
    absl::SleepFor(kAgainWait);
  }
}

absl::StatusOr<std::string> FindExperiment(Connection* connection,
                                           const std::string& name,
                                           absl::Time until) {
  v1::GetExperimentByNameRequest request;
  request.set_experiment_name(name);
  v1::GetExperimentByNameResponse response;
  RETURN_IF_ERROR(CallUntil(connection, "TrackingService/GetExperimentByName",
                            request, &response, until));
  return response.experiment().experiment_id();
}

absl::StatusOr<std::string> FindOrMakeExperiment(Connection* connection,
                                                 const std::string& name,
                                                 absl::Time until) {
  absl::StatusOr<std::string> found = FindExperiment(connection, name, until);
  if (!absl::IsNotFound(found.status())) return found;
  v1::CreateExperimentRequest request;
  request.set_name(name);
  v1::CreateExperimentResponse response;
  const absl::Status made =
      CallUntil(connection, "TrackingService/CreateExperiment", request,
                &response, until);
  if (made.ok()) return response.experiment_id();
  if (!absl::IsAlreadyExists(made)) return made;
  // Another process was quicker; or we were, and did not learn of it.
  return FindExperiment(connection, name, until);
}

absl::StatusOr<std::string> MakeRun(Connection* connection, const NewRun& run,
                                    absl::Time until) {
  v1::CreateRunRequest request;
  ASSIGN_OR_RETURN(*request.mutable_experiment_id(),
                   FindOrMakeExperiment(connection, run.experiment, until));
  request.set_wanted_run_id(MakeId());
  request.set_start_time(NowMs());
  if (!run.name.empty()) request.set_run_name(run.name);
  if (!run.user.empty()) request.set_user_id(run.user);
  AddPairs(run.tags, 0, run.tags.size(), request.mutable_tags());
  v1::CreateRunResponse response;
  const absl::Status made = CallUntil(connection, "TrackingService/CreateRun",
                                      request, &response, until);
  // Nobody else has an id that we made up.
  if (absl::IsAlreadyExists(made)) return request.wanted_run_id();
  RETURN_IF_ERROR(made);
  return response.run().info().run_id();
}

class RunWriterImpl final : public RunWriter {
 public:
  RunWriterImpl(std::unique_ptr<Connection> connection, std::string run_id,
                const WriterOptions& options)
      : connection_(std::move(connection)),
        run_id_(std::move(run_id)),
        buffer_(options),
        sender_(&buffer_, connection_.get(), run_id_, "client-" + MakeId(),
                options.lost_wait, TellOf(options, run_id_)),
        thread_([this] { sender_.Run(); }) {}

  ~RunWriterImpl() override { Close(kDestructorWait).IgnoreError(); }

  const std::string& run_id() const override { return run_id_; }

  absl::Status Log(std::string_view key, double value, int64_t step) override {
    return buffer_.AddPoint(key, value, step, NowMs());
  }
  absl::Status Log(std::string_view key, double value, int64_t step,
                   int64_t timestamp_ms) override {
    return buffer_.AddPoint(key, value, step, timestamp_ms);
  }

  absl::Status LogParams(const Pairs& params) override {
    return AddBatches(
        params, limits::kBatchParamsMax,
        [](v1::LogBatchRequest* request) { return request->mutable_params(); });
  }
  absl::Status SetTags(const Pairs& tags) override {
    return AddBatches(
        tags, limits::kBatchTagsMax,
        [](v1::LogBatchRequest* request) { return request->mutable_tags(); });
  }

  absl::Status Flush(absl::Duration timeout) override {
    return buffer_.Flush(absl::Now() + timeout);
  }

  absl::Status Finish(RunStatus status, absl::Duration timeout) override {
    v1::UpdateRunRequest request;
    request.set_run_id(run_id_);
    request.set_end_time(NowMs());
    request.set_status(status == RunStatus::kFinished ? v1::FINISHED
                       : status == RunStatus::kFailed ? v1::FAILED
                                                      : v1::KILLED);
    RETURN_IF_ERROR(buffer_.AddCall(
        {"TrackingService/UpdateRun", request.SerializeAsString()}));
    return Flush(timeout);
  }

  absl::Status Close(absl::Duration timeout) override
      ABSL_LOCKS_EXCLUDED(close_mutex_) {
    absl::MutexLock lock(&close_mutex_);
    if (closed_.has_value()) return *closed_;
    buffer_.Close();
    closed_ = Flush(timeout);
    buffer_.Stop();
    connection_->Shutdown();
    thread_.join();
    return *closed_;
  }

  absl::Status status() const override { return buffer_.status(); }
  absl::Status trouble() const override { return buffer_.trouble(); }
  WriterStats stats() const override { return buffer_.stats(); }

 private:
  template <typename Part>
  absl::Status AddBatches(const Pairs& pairs, size_t batch_max, Part part) {
    RETURN_IF_ERROR(CheckPairs(pairs));
    for (size_t i = 0; i < pairs.size(); i += batch_max) {
      v1::LogBatchRequest request;
      request.set_run_id(run_id_);
      AddPairs(pairs, i, i + batch_max, part(&request));
      RETURN_IF_ERROR(
          buffer_.AddCall({kLogBatch, request.SerializeAsString()}));
    }
    return absl::OkStatus();
  }

  const std::unique_ptr<Connection> connection_;
  const std::string run_id_;
  LogBuffer buffer_;
  Sender sender_;
  absl::Mutex close_mutex_;
  // What Close returned.
  std::optional<absl::Status> closed_ ABSL_GUARDED_BY(close_mutex_);
  // Last: it uses all of the above.
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunWriter>> RunWriter::Create(
    const ServerOptions& server, const NewRun& run,
    const WriterOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(CheckPairs(run.params));
  RETURN_IF_ERROR(CheckPairs(run.tags));
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection,
                   Connection::Make(server));
  ASSIGN_OR_RETURN(
      std::string run_id,
      MakeRun(connection.get(), run, absl::Now() + options.open_wait));
  auto writer = std::make_unique<RunWriterImpl>(std::move(connection),
                                                std::move(run_id), options);
  RETURN_IF_ERROR(writer->LogParams(run.params));
  return writer;
}

absl::StatusOr<std::unique_ptr<RunWriter>> RunWriter::Open(
    const ServerOptions& server, std::string_view run_id,
    const WriterOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection,
                   Connection::Make(server));
  // Nothing to log, so the server says just whether that could be.
  v1::LogBatchRequest request;
  request.set_run_id(std::string(run_id));
  v1::LogBatchResponse response;
  RETURN_IF_ERROR(
      connection->Call(kLogBatch, request, &response, options.open_wait, true));
  return std::make_unique<RunWriterImpl>(std::move(connection),
                                         std::string(run_id), options);
}

}  // namespace millstream::client
