#include "server/grpc_door.h"

#include <atomic>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/error.h"
#include "base/limits.h"
#include "google/protobuf/unknown_field_set.h"
#include "gtest/gtest.h"
#include "server/grpc_door_testing.h"

namespace millstream::server {
namespace {

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
  v1::GetExperimentRequest request;
  request.set_experiment_id("7");
  // Its answer is small: only the request is too large for anybody.
  request.GetReflection()->MutableUnknownFields(&request)->AddLengthDelimited(
      1000, std::string(limits::kGrpcMessageBytesMax, 'x'));
  v1::GetExperimentResponse response;
  EXPECT_EQ(GetRaw(&context, ToBytes(request), &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcDoorTest, RefusesCompressedMessages) {
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::GetExperimentResponse response;
  EXPECT_EQ(Get(&context, std::string(1000, 'x'), &response).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
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
