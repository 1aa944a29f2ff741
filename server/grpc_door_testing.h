// What tests of the gRPC door have in common: services in memory, and callers.
#ifndef MILLSTREAM_SERVER_GRPC_DOOR_TESTING_H_
#define MILLSTREAM_SERVER_GRPC_DOOR_TESTING_H_

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/support/client_callback.h"
#include "gtest/gtest.h"
#include "millstream/v1/artifacts.pb.h"
#include "millstream/v1/streams.pb.h"
#include "millstream/v1/tracking.pb.h"
#include "server/grpc_door.h"

namespace millstream::server {

using grpc::ByteBuffer;

inline ByteBuffer ToBytes(const Message& message) {
  grpc::Slice slice(message.SerializeAsString());
  return ByteBuffer(&slice, 1);
}

template <typename M>
M FromBytes(const ByteBuffer& bytes) {
  grpc::Slice slice;
  M message;
  EXPECT_TRUE(bytes.TrySingleSlice(&slice).ok() ||
              bytes.DumpToSingleSlice(&slice).ok());
  EXPECT_TRUE(message.ParseFromArray(slice.begin(), slice.size()));
  return message;
}

// What another thread says once. It may go as soon as somebody has heard it,
// while the other thread is still about it: unlike that of a promise, its
// destructor waits for that.
template <typename T>
class Told {
 public:
  void Tell(T value) {
    value_ = std::move(value);
    told_.Notify();
  }
  T Await() {
    told_.WaitForNotification();
    return value_;
  }
  bool told() const { return told_.HasBeenNotified(); }

 private:
  T value_ = {};
  absl::Notification told_;
};

// Files in memory, a call that waits to be cancelled, and answers as large as
// the number of the experiment.
class Services {
 public:
  absl::Status GetExperiment(CallContext& context,
                             const v1::GetExperimentRequest& request,
                             v1::GetExperimentResponse* response) {
    if (request.experiment_id() == "missing") {
      return DoesNotExist("No experiment 'missing'.");
    }
    if (request.experiment_id() == "long error") {
      std::string text;
      while (text.size() < 100'000) text += "€";
      return DoesNotExist(text);
    }
    if (request.experiment_id() == "wait") {
      waiting.Notify();
      while (context.Alive().ok()) absl::SleepFor(absl::Milliseconds(1));
      return context.Alive();
    }
    size_t large = 0;
    if (absl::SimpleAtoi(request.experiment_id(), &large) && large > 1000) {
      response->mutable_experiment()->set_name(std::string(large, 'x'));
    }
    response->mutable_experiment()->set_experiment_id(request.experiment_id());
    return absl::OkStatus();
  }

  absl::StatusOr<Download> DownloadArtifact(
      CallContext&, const v1::DownloadArtifactRequest& request) {
    absl::MutexLock lock(&mutex);
    auto it = files.find(request.artifact_path());
    if (it == files.end()) return DoesNotExist("No such file.");
    Download download;
    download.size = it->second.size();
    download.content_type = "text/plain";
    download.source = std::make_unique<Source>(this, it->second);
    ++open_files;
    return download;
  }

  absl::StatusOr<Upload> UploadArtifact(
      CallContext&, const v1::UploadArtifactRequest& first) {
    absl::MutexLock lock(&mutex);
    ++open_files;
    return Upload{std::make_unique<Sink>(this, first.artifact_path())};
  }

  // Waits until so many files are being sent or taken.
  void AwaitOpenFiles(int count) {
    absl::MutexLock lock(&mutex);
    auto reached = [&] {
      mutex.AssertHeld();
      return open_files == count;
    };
    EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&reached),
                                       absl::Seconds(60)));
  }

  absl::Mutex mutex;
  std::map<std::string, std::string> files ABSL_GUARDED_BY(mutex);
  int open_files ABSL_GUARDED_BY(mutex) = 0;
  absl::Notification waiting;

 private:
  void FileIsClosed() {
    absl::MutexLock lock(&mutex);
    --open_files;
  }

  class Source : public ByteSource {
   public:
    Source(Services* services, std::string data)
        : services_(services), data_(std::move(data)) {}
    ~Source() override { services_->FileIsClosed(); }
    absl::StatusOr<size_t> Read(std::span<char> buffer) override {
      const size_t n = std::min(buffer.size(), data_.size() - at_);
      std::copy_n(data_.data() + at_, n, buffer.data());
      at_ += n;
      return n;
    }
    absl::Status Seek(int64_t) override {
      return absl::UnimplementedError("forward only");
    }

   private:
    Services* const services_;
    const std::string data_;
    size_t at_ = 0;
  };
  class Sink : public ByteSink {
   public:
    Sink(Services* services, std::string path)
        : services_(services), path_(std::move(path)) {}
    ~Sink() override { services_->FileIsClosed(); }
    absl::Status Write(std::string_view data) override {
      data_ += data;
      return absl::OkStatus();
    }
    absl::Status Finish() override {
      absl::MutexLock lock(&services_->mutex);
      services_->files[path_] = data_;
      return absl::OkStatus();
    }

   private:
    Services* const services_;
    const std::string path_;
    std::string data_;
  };
};

// Answers each frame with its number. Refuses frame 13; to 14 it answers what
// the caller does not take, and gives it up.
class EchoBody final : public StreamBody {
 public:
  explicit EchoBody(absl::Notification* gone) : gone_(gone) {}

  void Start(StreamCaller* caller) override {
    caller_ = caller;
    caller_->Read();
  }
  void OnMessage(std::unique_ptr<StreamMessage> message) override {
    v1::LogMetricsRequest request;
    EXPECT_GT(message->size(), 0u);
    EXPECT_TRUE(message->Parse(&request));
    if (request.frame().number() == 13) {
      End(InvalidParameter("Not 13."));
      return;
    }
    if (request.frame().number() == 14) {
      v1::GetExperimentResponse large;
      large.mutable_experiment()->set_name(std::string(32 << 20, 'x'));
      gives_up_ = true;
      caller_->Write(large);
      caller_->BreakOff();
      return;
    }
    v1::LogMetricsResponse response;
    response.set_durable_frame(request.frame().number());
    caller_->Write(response);
  }
  void OnWritten() override {
    if (gives_up_) return OneOfTwo();
    caller_->Read();
  }
  void OnNoMoreMessages() override {
    End(absl::OkStatus());
  }
  void OnGone() override {
    if (gives_up_) return OneOfTwo();
    gone_->Notify();
    End(absl::CancelledError("gone"));
  }

 private:
  // The write that was given up has ended, or the caller has gone.
  void OneOfTwo() {
    if (++ended_of_two_ < 2) return;
    gone_->Notify();
    End(MakeError(v1::RESOURCE_EXHAUSTED, "too slow"));
  }
  void End(const absl::Status& status) {
    if (!ended_.exchange(true)) caller_->End(status);
  }

  std::atomic<bool> ended_ = false;
  std::atomic<bool> gives_up_ = false;
  std::atomic<int> ended_of_two_ = 0;
  absl::Notification* const gone_;
  StreamCaller* caller_ = nullptr;
};

class Streams {
 public:
  absl::StatusOr<std::shared_ptr<StreamBody>> LogMetrics(CallContext&) {
    if (full) return MakeError(v1::RESOURCE_EXHAUSTED, "Too many streams.");
    return std::make_shared<EchoBody>(&gone);
  }
  std::atomic<bool> full = false;
  absl::Notification gone;
};

class GrpcDoorTest : public testing::Test {
 protected:
  GrpcDoorTest() {
    const auto* pool = google::protobuf::DescriptorPool::generated_pool();
    v1::GetExperimentRequest::descriptor();
    v1::DownloadArtifactRequest::descriptor();
    table_.Service(pool->FindServiceByName("millstream.v1.TrackingService"));
    table_.Unary("GetExperiment", &services_, &Services::GetExperiment);
    table_.Service(pool->FindServiceByName("millstream.v1.ArtifactService"));
    table_.Downloads("DownloadArtifact", &services_,
                     &Services::DownloadArtifact);
    table_.Uploads("UploadArtifact", &services_, &Services::UploadArtifact);
    v1::LogMetricsRequest::descriptor();
    table_.Service(pool->FindServiceByName("millstream.v1.StreamService"));
    table_.Streams("LogMetrics", &streams_, &Streams::LogMetrics);
    Start({});
  }

  // Starts the door, anew.
  void Start(const GrpcDoorOptions& options) { Start(options, &dispatcher_); }
  void Start(const GrpcDoorOptions& options, Dispatcher* dispatcher) {
    stub_.reset();
    channel_.reset();
    door_.reset();
    door_ = *GrpcDoor::Start(options, dispatcher);
    // What is not asked for does not come, however fast the rest is taken.
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    channel_ = grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(door_->port()),
        grpc::InsecureChannelCredentials(), arguments);
    stub_ = std::make_unique<grpc::GenericStub>(channel_);
  }

  grpc::Status Get(grpc::ClientContext* context, const std::string& id,
                   v1::GetExperimentResponse* response) {
    v1::GetExperimentRequest request;
    request.set_experiment_id(id);
    return GetRaw(context, ToBytes(request), response);
  }

  grpc::Status GetRaw(grpc::ClientContext* context, ByteBuffer request,
                      v1::GetExperimentResponse* response) {
    ByteBuffer answer;
    Told<grpc::Status> done;
    stub_->UnaryCall(context, kGetExperiment, {}, &request, &answer,
                     [&done](grpc::Status s) { done.Tell(std::move(s)); });
    grpc::Status status = done.Await();
    if (status.ok()) {
      *response = FromBytes<v1::GetExperimentResponse>(answer);
    }
    return status;
  }

  // One stream of either direction, driven synchronously.
  class Stream : public grpc::ClientBidiReactor<ByteBuffer, ByteBuffer> {
   public:
    Stream(grpc::GenericStub* stub, const std::string& method) {
      stub->PrepareBidiStreamingCall(&context, method, {}, this);
      // Before the call, which may be refused at once: it ends once.
      AddHold();
      StartCall();
    }
    void Send(const Message& message) {
      ByteBuffer bytes = ToBytes(message);
      Told<bool> wrote;
      wrote_ = &wrote;
      StartWrite(&bytes);
      wrote.Await();
    }
    bool Receive(ByteBuffer* bytes) {
      Told<bool> read;
      read_ = &read;
      StartRead(bytes);
      return read.Await();
    }
    // After this nothing is sent or received any more.
    grpc::Status End() {
      Release();
      return status_.Await();
    }
    // Whether it has ended, for calls that others end.
    bool Ended() {
      Release();
      return status_.told();
    }
    // Until the server has begun to answer.
    void AwaitBegin() { begun_.WaitForNotification(); }
    void OnReadInitialMetadataDone(bool ok) override {
      if (ok) begun_.Notify();
    }
    void OnWriteDone(bool ok) override { wrote_->Tell(ok); }
    void OnReadDone(bool ok) override { read_->Tell(ok); }
    void OnDone(const grpc::Status& status) override { status_.Tell(status); }
    grpc::ClientContext context;

   private:
    void Release() {
      if (std::exchange(held_, false)) RemoveHold();
    }

    bool held_ = true;
    Told<bool>* wrote_ = nullptr;
    Told<bool>* read_ = nullptr;
    Told<grpc::Status> status_;
    absl::Notification begun_;
  };

  static constexpr char kGetExperiment[] =
      "/millstream.v1.TrackingService/GetExperiment";

  static constexpr char kLogMetrics[] =
      "/millstream.v1.StreamService/LogMetrics";

  static v1::LogMetricsRequest Frame(uint64_t number) {
    v1::LogMetricsRequest request;
    request.mutable_frame()->set_number(number);
    return request;
  }

  Services services_;
  Streams streams_;
  MethodTable table_;
  Dispatcher dispatcher_{&table_};
  std::unique_ptr<GrpcDoor> door_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_GRPC_DOOR_TESTING_H_
