#include "client/testing/relay.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"

namespace millstream::client::testing {

using grpc::ByteBuffer;

void FrameRecord::Mark(const std::string& writer, uint64_t opened,
                       v1::MetricFrame* frame) {
  Points points;
  for (const v1::MetricColumn& column : frame->columns()) {
    int64_t step = 0;
    for (int i = 0; i < column.values_size(); ++i) {
      step += column.step_deltas(i);
      points.emplace_back(step, column.values(i));
    }
  }
  absl::MutexLock lock(&mutex_);
  std::map<uint64_t, Points>& before = writers_[writer];
  const uint64_t number = frame->number();
  if (number != 1 && before.count(number - 1) == 0) {
    faults_.push_back(absl::StrCat("no frame before ", number));
  }
  if (number <= opened) {
    faults_.push_back(absl::StrCat("frame ", number, ", which the server has"));
  }
  const auto added = before.emplace(number, points);
  if (!added.second) {
    ++resent_;
    if (added.first->second != points) {
      faults_.push_back(absl::StrCat("frame ", number, " has changed"));
    }
  }
  ++sent_;
  for (v1::MetricColumn& column : *frame->mutable_columns()) {
    for (int i = 0; i < column.timestamp_deltas_size(); ++i) {
      column.set_timestamp_deltas(i, i == 0 ? sent_ : 0);
    }
  }
}

int FrameRecord::resent() const {
  absl::MutexLock lock(&mutex_);
  return resent_;
}

std::vector<std::string> FrameRecord::faults() const {
  absl::MutexLock lock(&mutex_);
  return faults_;
}

namespace {

template <typename M>
M Parse(const ByteBuffer& bytes) {
  grpc::Slice slice;
  M message;
  if (!bytes.DumpToSingleSlice(&slice).ok() ||
      !message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()))) {
    std::abort();
  }
  return message;
}

void Serialize(const google::protobuf::MessageLite& message,
               ByteBuffer* bytes) {
  const grpc::Slice slice(message.SerializeAsString());
  *bytes = ByteBuffer(&slice, 1);
}

}  // namespace

// One call, of any kind; deletes itself. Each side has one message on its way
// at a time. Holds on the call to the server last as long as something may
// still be started on it from the other side.
class Call final : public grpc::ServerGenericBidiReactor {
 public:
  Call(Relay* relay, const std::shared_ptr<grpc::Channel>& channel,
       grpc::GenericCallbackServerContext* context)
      : relay_(relay),
        context_(context),
        is_log_(absl::EndsWith(context->method(), "/LogMetrics")),
        stub_(channel),
        onward_(this) {
    for (const auto& [key, value] : context->client_metadata()) {
      if (key != "authorization") continue;
      call_.AddMetadata(std::string(key.data(), key.size()),
                        std::string(value.data(), value.size()));
    }
    stub_.PrepareBidiStreamingCall(&call_, context->method(),
                                   grpc::StubOptions(), &onward_);
    onward_.AddHold();
    onward_.StartRead(&answer_);
    onward_.StartCall();
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      if (let_go_) return;
      passing_ = true;
    }
    if (!ok) {
      onward_.StartWritesDone();
    } else if (!relay_->refusal().ok()) {
      call_.TryCancel();
      Passed(false);
    } else {
      if (is_log_) MarkRequest();
      onward_.StartWrite(&request_);
    }
  }
  void OnWriteDone(bool ok) override {
    if (ok) onward_.StartRead(&answer_);
    onward_.RemoveHold();
  }
  void OnCancel() override { call_.TryCancel(); }
  void OnDone() override { delete this; }

 private:
  class Onward final : public grpc::ClientBidiReactor<ByteBuffer, ByteBuffer> {
   public:
    explicit Onward(Call* call) : call_(call) {}
    void OnWriteDone(bool ok) override { call_->Passed(ok); }
    void OnWritesDoneDone(bool) override { call_->Passed(false); }
    void OnReadDone(bool ok) override { call_->Answered(ok); }
    void OnDone(const grpc::Status& status) override { call_->Ended(status); }

   private:
    Call* const call_;
  };

  void MarkRequest() {
    auto message = Parse<v1::LogMetricsRequest>(request_);
    if (message.has_open()) writer_ = message.open().writer_id();
    if (!message.has_frame()) return;
    absl::MutexLock lock(&mutex_);
    relay_->record().Mark(writer_, opened_.value_or(0),
                          message.mutable_frame());
    Serialize(message, &request_);
  }

  // Once: no message of the writer is passed on any more.
  void LetGo() {
    {
      absl::MutexLock lock(&mutex_);
      if (let_go_) return;
      let_go_ = true;
    }
    onward_.RemoveHold();
  }

  void Passed(bool ok) {
    bool over = false;
    {
      absl::MutexLock lock(&mutex_);
      passing_ = false;
      over = over_;
    }
    if (ok && !over) {
      StartRead(&request_);
    } else {
      LetGo();
    }
  }

  void Answered(bool ok) {
    if (ok) {
      if (is_log_ && !IsFirst() && relay_->Hide()) {
        onward_.StartRead(&answer_);
        return;
      }
      if (relay_->Lose(context_->method())) {
        lost_ = true;
        onward_.StartRead(&answer_);
        return;
      }
      onward_.AddHold();
      StartWrite(&answer_);
      return;
    }
    {
      absl::MutexLock lock(&mutex_);
      over_ = true;
      if (passing_) return;
    }
    LetGo();
  }

  // Whether it is the answer that opens a stream.
  bool IsFirst() {
    absl::MutexLock lock(&mutex_);
    if (opened_.has_value()) return false;
    opened_ = Parse<v1::LogMetricsResponse>(answer_).durable_frame();
    return true;
  }

  void Ended(const grpc::Status& status) {
    const absl::Status refusal = relay_->refusal();
    if (!refusal.ok()) {
      Finish(grpc::Status(static_cast<grpc::StatusCode>(refusal.code()),
                          std::string(refusal.message())));
      return;
    }
    if (lost_) {
      Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the answer is lost"));
      return;
    }
    for (const auto& [key, value] : call_.GetServerTrailingMetadata()) {
      if (key != "millstream-error-code") continue;
      context_->AddTrailingMetadata(std::string(key.data(), key.size()),
                                    std::string(value.data(), value.size()));
    }
    Finish(status);
  }

  Relay* const relay_;
  grpc::GenericCallbackServerContext* const context_;
  const bool is_log_;
  grpc::GenericStub stub_;
  grpc::ClientContext call_;
  Onward onward_;
  std::string writer_;
  ByteBuffer request_;
  ByteBuffer answer_;
  // Of the reactor that reads the answer.
  bool lost_ = false;

  absl::Mutex mutex_;
  bool passing_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  bool let_go_ ABSL_GUARDED_BY(mutex_) = false;
  // The server's first answer.
  std::optional<uint64_t> opened_ ABSL_GUARDED_BY(mutex_);
};

class Relay::Service final : public grpc::CallbackGenericService {
 public:
  Service(Relay* relay, const std::string& address) : relay_(relay) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 50);
    channel_ = grpc::CreateCustomChannel(
        address, grpc::InsecureChannelCredentials(), arguments);
  }

 private:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    {
      absl::MutexLock lock(&relay_->mutex_);
      ++relay_->calls_;
    }
    return new Call(relay_, channel_, context);
  }

  Relay* const relay_;
  std::shared_ptr<grpc::Channel> channel_;
};

Relay::Relay(const std::string& address)
    : service_(std::make_unique<Service>(this, address)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port_);
  builder.RegisterCallbackGenericService(service_.get());
  server_ = builder.BuildAndStart();
}

Relay::~Relay() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

std::string Relay::address() const { return absl::StrCat("127.0.0.1:", port_); }

void Relay::Refuse(absl::Status why) {
  absl::MutexLock lock(&mutex_);
  refusal_ = std::move(why);
}

absl::Status Relay::refusal() const {
  absl::MutexLock lock(&mutex_);
  return refusal_;
}

void Relay::HideAnswers(bool hide) {
  absl::MutexLock lock(&mutex_);
  hiding_ = hide;
}

int Relay::hidden() const {
  absl::MutexLock lock(&mutex_);
  return hidden_;
}

bool Relay::Hide() {
  absl::MutexLock lock(&mutex_);
  if (hiding_) ++hidden_;
  return hiding_;
}

void Relay::LoseAnswer(const std::string& method) {
  absl::MutexLock lock(&mutex_);
  losing_ = method;
}

bool Relay::Lose(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  if (losing_.empty() || !absl::EndsWith(path, losing_)) return false;
  losing_.clear();
  return true;
}

int Relay::calls() const {
  absl::MutexLock lock(&mutex_);
  return calls_;
}

}  // namespace millstream::client::testing
