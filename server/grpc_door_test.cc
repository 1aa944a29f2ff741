#include "server/grpc_door.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <map>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/error.h"
#include "base/limits.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/support/client_callback.h"
#include "gtest/gtest.h"
#include "millstream/v1/artifacts.pb.h"
#include "millstream/v1/streams.pb.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::server {
namespace {

using grpc::ByteBuffer;

ByteBuffer ToBytes(const Message& message) {
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

// Files in memory, and a call that waits to be cancelled.
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
    download.source = std::make_unique<Source>(it->second);
    return download;
  }

  absl::StatusOr<Upload> UploadArtifact(
      CallContext&, const v1::UploadArtifactRequest& first) {
    return Upload{std::make_unique<Sink>(this, first.artifact_path())};
  }

  absl::Mutex mutex;
  std::map<std::string, std::string> files ABSL_GUARDED_BY(mutex);
  absl::Notification waiting;

 private:
  class Source : public ByteSource {
   public:
    explicit Source(std::string data) : data_(std::move(data)) {}
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
    const std::string data_;
    size_t at_ = 0;
  };
  class Sink : public ByteSink {
   public:
    Sink(Services* services, std::string path)
        : services_(services), path_(std::move(path)) {}
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
    door_ = *GrpcDoor::Start({}, &dispatcher_);
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(door_->port()),
                                   grpc::InsecureChannelCredentials());
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
    std::promise<grpc::Status> done;
    stub_->UnaryCall(context, "/millstream.v1.TrackingService/GetExperiment",
                     {}, &request, &answer,
                     [&done](grpc::Status s) { done.set_value(s); });
    grpc::Status status = done.get_future().get();
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
      StartCall();
      AddHold();
    }
    void Send(const Message& message) {
      ByteBuffer bytes = ToBytes(message);
      std::promise<bool> done;
      wrote_ = &done;
      StartWrite(&bytes);
      done.get_future().get();
    }
    bool Receive(ByteBuffer* bytes) {
      std::promise<bool> done;
      read_ = &done;
      StartRead(bytes);
      return done.get_future().get();
    }
    grpc::Status End() {
      RemoveHold();
      return status_.get_future().get();
    }
    void OnWriteDone(bool ok) override { wrote_->set_value(ok); }
    void OnReadDone(bool ok) override { read_->set_value(ok); }
    void OnDone(const grpc::Status& status) override {
      status_.set_value(status);
    }
    grpc::ClientContext context;

   private:
    std::promise<bool>* wrote_ = nullptr;
    std::promise<bool>* read_ = nullptr;
    std::promise<grpc::Status> status_;
  };

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

TEST_F(GrpcDoorTest, ACallerThatTakesNothingIsGivenUp) {
  Stream stream(stub_.get(), kLogMetrics);
  stream.Send(Frame(14));
  EXPECT_TRUE(
      streams_.gone.WaitForNotificationWithTimeout(absl::Seconds(60)));
  stream.context.TryCancel();
  EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(GrpcDoorTest, ServesUnaryRpcs) {
  grpc::ClientContext context;
  v1::GetExperimentResponse response;
  ASSERT_TRUE(Get(&context, "7", &response).ok());
  EXPECT_EQ(response.experiment().experiment_id(), "7");
}

TEST_F(GrpcDoorTest, ErrorsCarryMlflowsCode) {
  grpc::ClientContext context;
  v1::GetExperimentResponse response;
  grpc::Status status = Get(&context, "missing", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "No experiment 'missing'.");
  v1::StatusDetails details;
  v1::ErrorDetail detail;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  ASSERT_TRUE(details.details(0).UnpackTo(&detail));
  EXPECT_EQ(detail.error_code(), v1::RESOURCE_DOES_NOT_EXIST);
  auto it = context.GetServerTrailingMetadata().find("millstream-error-code");
  ASSERT_NE(it, context.GetServerTrailingMetadata().end());
  EXPECT_EQ(it->second, "RESOURCE_DOES_NOT_EXIST");
}

// Clients take 8 KiB of trailers; of more they tell that alone.
TEST_F(GrpcDoorTest, LongErrorsArriveAsTheyAre) {
  grpc::ClientContext context;
  v1::GetExperimentResponse response;
  grpc::Status status = Get(&context, "long error", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_GT(status.error_message().size(), 1000);
  v1::StatusDetails details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.message(), status.error_message());
}

TEST_F(GrpcDoorTest, RefusesWhatIsNoMessage) {
  grpc::Slice junk("\xff\xff\xff");
  grpc::ClientContext context;
  v1::GetExperimentResponse response;
  EXPECT_EQ(GetRaw(&context, ByteBuffer(&junk, 1), &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(GrpcDoorTest, RefusesMessagesOfTooManyItems) {
  std::string unknown;
  for (int i = 0; i <= limits::kRequestItemsMax; ++i) {
    unknown += std::string("\xa2\x06\x00", 3);
  }
  grpc::Slice slice(unknown);
  grpc::ClientContext context;
  v1::GetExperimentResponse response;
  const grpc::Status status =
      GetRaw(&context, ByteBuffer(&slice, 1), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("100000 items"), std::string::npos);
}

TEST_F(GrpcDoorTest, RefusesMessagesOverTheLimit) {
  grpc::ClientContext context;
  v1::GetExperimentResponse response;
  EXPECT_EQ(
      Get(&context, std::string(limits::kGrpcMessageBytesMax, 'x'), &response)
          .error_code(),
      grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcDoorTest, RefusesCallsWhenTooManyWait) {
  auto door = *GrpcDoor::Start({.threads_max = 1}, &dispatcher_);
  grpc::GenericStub stub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(door->port()),
                          grpc::InsecureChannelCredentials()));
  struct Outcomes {
    absl::Mutex mutex;
    std::map<grpc::StatusCode, size_t> counts ABSL_GUARDED_BY(mutex);
    size_t Of(grpc::StatusCode code) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
      return counts[code];
    }
  } outcomes;
  struct Exchange {
    grpc::ClientContext context;
    ByteBuffer request, answer;
  };
  const auto start = [&](Exchange* exchange, const std::string& id) {
    v1::GetExperimentRequest request;
    request.set_experiment_id(id);
    exchange->request = ToBytes(request);
    stub.UnaryCall(&exchange->context,
                   "/millstream.v1.TrackingService/GetExperiment", {},
                   &exchange->request, &exchange->answer,
                   [&outcomes](grpc::Status status) {
                     absl::MutexLock lock(&outcomes.mutex);
                     ++outcomes.counts[status.error_code()];
                   });
  };
  const auto wait_for = [&](grpc::StatusCode code, size_t count) {
    absl::MutexLock lock(&outcomes.mutex);
    const auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(outcomes.mutex) {
      return outcomes.Of(code) == count;
    };
    outcomes.mutex.Await(absl::Condition(&reached));
  };
  Exchange first;
  start(&first, "wait");
  services_.waiting.WaitForNotification();
  constexpr size_t kTooMany = 10;
  std::vector<Exchange> others(limits::kGrpcCallsWaitingMax + kTooMany);
  for (Exchange& other : others) start(&other, "7");
  wait_for(grpc::StatusCode::RESOURCE_EXHAUSTED, kTooMany);
  first.context.TryCancel();
  wait_for(grpc::StatusCode::OK, limits::kGrpcCallsWaitingMax);
  wait_for(grpc::StatusCode::CANCELLED, 1);
}

TEST_F(GrpcDoorTest, CancellationReachesTheHandler) {
  grpc::ClientContext context;
  v1::GetExperimentResponse response;
  auto call = std::async(std::launch::async,
                         [&] { return Get(&context, "wait", &response); });
  services_.waiting.WaitForNotification();
  context.TryCancel();
  EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  door_->Stop(absl::InfiniteDuration());
}

TEST_F(GrpcDoorTest, DeadlineReachesTheHandler) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(100));
  v1::GetExperimentResponse response;
  EXPECT_EQ(Get(&context, "wait", &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  door_->Stop(absl::InfiniteDuration());
}

TEST_F(GrpcDoorTest, UploadsAndDownloadsInPieces) {
  const std::string part(300'000, 'm');
  {
    Stream stream(stub_.get(), "/millstream.v1.ArtifactService/UploadArtifact");
    v1::UploadArtifactRequest request;
    request.set_artifact_path("a/b");
    request.set_data(part);
    stream.Send(request);
    request.clear_artifact_path();
    stream.Send(request);
    stream.StartWritesDone();
    ByteBuffer answer;
    EXPECT_TRUE(stream.Receive(&answer));
    EXPECT_TRUE(stream.End().ok());
  }
  Stream stream(stub_.get(), "/millstream.v1.ArtifactService/DownloadArtifact");
  v1::DownloadArtifactRequest request;
  request.set_artifact_path("a/b");
  stream.Send(request);
  stream.StartWritesDone();
  ByteBuffer bytes;
  std::string data;
  int chunks = 0;
  while (stream.Receive(&bytes)) {
    auto chunk = FromBytes<v1::ArtifactChunk>(bytes);
    if (chunks++ == 0) {
      EXPECT_EQ(chunk.file_size(), 600'000);
      EXPECT_EQ(chunk.content_type(), "text/plain");
    }
    data += chunk.data();
  }
  EXPECT_TRUE(stream.End().ok());
  EXPECT_EQ(data, part + part);
  EXPECT_GT(chunks, 1);
}

TEST_F(GrpcDoorTest, StreamsGoBothWays) {
  Stream stream(stub_.get(), kLogMetrics);
  for (uint64_t number : {1, 2, 3}) {
    stream.Send(Frame(number));
    ByteBuffer answer;
    ASSERT_TRUE(stream.Receive(&answer));
    EXPECT_EQ(FromBytes<v1::LogMetricsResponse>(answer).durable_frame(),
              number);
  }
  stream.StartWritesDone();
  EXPECT_TRUE(stream.End().ok());
}

TEST_F(GrpcDoorTest, StreamsEndWithTheBodysStatus) {
  Stream stream(stub_.get(), kLogMetrics);
  stream.Send(Frame(13));
  grpc::Status status = stream.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "Not 13.");
}

TEST_F(GrpcDoorTest, StreamsThatAreRefusedEndAtOnce) {
  streams_.full = true;
  Stream stream(stub_.get(), kLogMetrics);
  EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcDoorTest, CancellationReachesTheStream) {
  Stream stream(stub_.get(), kLogMetrics);
  stream.Send(Frame(1));
  stream.context.TryCancel();
  EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::CANCELLED);
  streams_.gone.WaitForNotification();
  door_->Stop(absl::InfiniteDuration());
}

TEST_F(GrpcDoorTest, CancelledUploadsLeaveNothing) {
  Stream stream(stub_.get(), "/millstream.v1.ArtifactService/UploadArtifact");
  v1::UploadArtifactRequest request;
  request.set_artifact_path("half");
  request.set_data("x");
  stream.Send(request);
  stream.context.TryCancel();
  EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::CANCELLED);
  door_->Stop(absl::InfiniteDuration());
  absl::MutexLock lock(&services_.mutex);
  EXPECT_TRUE(services_.files.empty());
}

TEST_F(GrpcDoorTest, SecondServerOnThePortIsToldWhichFlagToUse) {
  GrpcDoorOptions options;
  options.port = door_->port();
  auto second = GrpcDoor::Start(options, &dispatcher_);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("--grpc-port"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace millstream::server
