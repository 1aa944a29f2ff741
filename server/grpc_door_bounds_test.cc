// What callers may have of the gRPC door at a time, and how long it waits for
// them. The tests have lower bounds, which they cross.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "server/grpc_door_testing.h"

namespace millstream::server {
namespace {

constexpr char kUpload[] = "/millstream.v1.ArtifactService/UploadArtifact";
constexpr char kDownload[] = "/millstream.v1.ArtifactService/DownloadArtifact";
constexpr absl::Duration kNoPatience = absl::Milliseconds(10);

class GrpcDoorBoundsTest : public GrpcDoorTest {
 protected:
  static v1::UploadArtifactRequest PartOf(const std::string& path) {
    v1::UploadArtifactRequest request;
    request.set_artifact_path(path);
    request.set_data("x");
    return request;
  }
  std::unique_ptr<Stream> StartUpload(const std::string& path) {
    auto stream = std::make_unique<Stream>(stub_.get(), kUpload);
    stream->Send(PartOf(path));
    return stream;
  }
  // Of a file that a caller cannot have before it takes some of it.
  std::unique_ptr<Stream> StartDownload() {
    {
      absl::MutexLock lock(&services_.mutex);
      services_.files["large"] = std::string(8 << 20, 'x');
    }
    auto stream = std::make_unique<Stream>(stub_.get(), kDownload);
    v1::DownloadArtifactRequest request;
    request.set_artifact_path("large");
    stream->Send(request);
    stream->StartWritesDone();
    return stream;
  }
  // Asks for an answer of so many bytes, and takes nothing of it.
  std::unique_ptr<Stream> Ask(size_t bytes) {
    auto stream = std::make_unique<Stream>(stub_.get(), kGetExperiment);
    v1::GetExperimentRequest request;
    request.set_experiment_id(std::to_string(bytes));
    stream->Send(request);
    stream->StartWritesDone();
    return stream;
  }
  grpc::Status GetOf(size_t bytes) {
    grpc::ClientContext context;
    v1::GetExperimentResponse response;
    return Get(&context, std::to_string(bytes), &response);
  }
  static void Cancel(Stream& stream) {
    stream.context.TryCancel();
    EXPECT_FALSE(stream.End().ok());
  }
};

TEST_F(GrpcDoorBoundsTest, TheServersBoundsAreTheNamedLimits) {
  const GrpcDoorBounds bounds;
  EXPECT_EQ(bounds.transfers.open, limits::kGrpcTransfersMax);
  EXPECT_EQ(bounds.transfers.open_each, limits::kGrpcTransfersEachMax);
  EXPECT_EQ(bounds.transfers.unopened, limits::kGrpcTransfersMax);
  EXPECT_EQ(bounds.transfers.unopened_each, limits::kGrpcTransfersEachMax);
  EXPECT_EQ(bounds.answers.open, limits::kGrpcAnswersMax);
  EXPECT_EQ(bounds.answers.open_each, limits::kGrpcAnswersEachMax);
  EXPECT_EQ(bounds.answer_bytes, limits::kGrpcHeldBytesMax);
  EXPECT_EQ(bounds.requests.open, limits::kGrpcAnswersMax);
  EXPECT_EQ(bounds.requests.open_each, limits::kGrpcAnswersEachMax);
  // As long as answers of that size may take, and streams to begin.
  EXPECT_EQ(bounds.request_patience,
            absl::Milliseconds(limits::kStreamFirstMessageMsMax) +
                absl::Seconds(limits::kGrpcMessageBytesMax /
                              limits::kGrpcAnswerBytesPerSecondMin));
  EXPECT_EQ(bounds.strangers_reads,
            limits::kGrpcHeldBytesMax / limits::kGrpcMessageBytesMax);
  EXPECT_EQ(bounds.patience.first_message,
            absl::Milliseconds(limits::kStreamFirstMessageMsMax));
  EXPECT_EQ(bounds.patience.answer,
            absl::Milliseconds(limits::kStreamAnswerMsMax));
}

TEST_F(GrpcDoorBoundsTest, TransfersAreCounted) {
  Start({.bounds = {.transfers = {.open = 2, .open_each = 2}}});
  auto upload = StartUpload("a");
  services_.AwaitOpenFiles(1);
  auto download = StartDownload();
  services_.AwaitOpenFiles(2);
  EXPECT_EQ(Stream(stub_.get(), kUpload).End().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(StartDownload()->End().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(GetOf(7).ok()) << "other calls are";
  Cancel(*download);
  services_.AwaitOpenFiles(1);
  upload->StartWritesDone();
  ByteBuffer answer;
  EXPECT_TRUE(upload->Receive(&answer));
  EXPECT_TRUE(upload->End().ok());
}

TEST_F(GrpcDoorBoundsTest, NobodyHasAllTransfers) {
  Start({.bounds = {.transfers = {.open = 2, .open_each = 1}}});
  auto upload = StartUpload("a");
  services_.AwaitOpenFiles(1);
  Stream second(stub_.get(), kUpload);
  const grpc::Status status = second.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(status.error_message().find("of this user or address"),
            std::string::npos);
  Cancel(*upload);
}

TEST_F(GrpcDoorBoundsTest, ACallWithoutItsRequestEnds) {
  Start({.bounds = {.request_patience = kNoPatience}});
  EXPECT_EQ(Stream(stub_.get(), kGetExperiment).End().error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(GetOf(7).ok()) << "others go on";
}

TEST_F(GrpcDoorBoundsTest, CallsWithoutTheirRequestsAreCounted) {
  Start({.bounds = {.requests = {.open = 2, .open_each = 1}}});
  Stream one(stub_.get(), kGetExperiment), two(stub_.get(), kGetExperiment);
  while (!one.Ended() && !two.Ended()) absl::SleepFor(absl::Milliseconds(1));
  Stream& ended = one.Ended() ? one : two;
  const grpc::Status status = ended.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(status.error_message().find("of this user or address"),
            std::string::npos);
  EXPECT_TRUE(GetOf(7).ok()) << "whose requests come are not";
  Cancel(&ended == &one ? two : one);
}

TEST_F(GrpcDoorBoundsTest, ACallThatSendsNoRequestIsAnswered) {
  for (const char* method : {kGetExperiment, kDownload}) {
    Stream stream(stub_.get(), method);
    stream.StartWritesDone();
    EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(GrpcDoorBoundsTest, ADownloadThatDoesNotBeginEnds) {
  Start({.bounds = {.patience = {.first_message = kNoPatience}}});
  Stream stream(stub_.get(), kDownload);
  EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(GrpcDoorBoundsTest, AnUploadThatDoesNotBeginEnds) {
  Start({.bounds = {.patience = {.first_message = kNoPatience}}});
  Stream stream(stub_.get(), kUpload);
  EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(GrpcDoorBoundsTest, AnUploadThatDoesNotGoOnEnds) {
  Start({.bounds = {.patience = {.answer = kNoPatience}}});
  auto upload = StartUpload("a");
  EXPECT_EQ(upload->End().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  services_.AwaitOpenFiles(0);
  absl::MutexLock lock(&services_.mutex);
  EXPECT_TRUE(services_.files.empty()) << "nothing is kept of it";
}

TEST_F(GrpcDoorBoundsTest, ADownloadThatIsNotTakenEnds) {
  Start({.bounds = {.patience = {.answer = kNoPatience}}});
  auto download = StartDownload();
  download->AwaitBegin();
  services_.AwaitOpenFiles(0);
  Cancel(*download);
}

TEST_F(GrpcDoorBoundsTest, AnswersThatAreNotTakenAreCounted) {
  constexpr size_t kBytes = 1'000'000;
  Start({.bounds = {.answer_bytes = 5 * kBytes / 2}});
  auto held = Ask(kBytes);
  held->AwaitBegin();
  EXPECT_EQ(GetOf(kBytes).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(GetOf(limits::kGrpcSmallAnswerBytes / 2).ok())
      << "small ones are not";
  ByteBuffer answer;
  EXPECT_TRUE(held->Receive(&answer));
  EXPECT_TRUE(held->End().ok());
  // The server sees that a little later.
  grpc::Status status;
  do {
    status = GetOf(kBytes);
  } while (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(status.ok());
}

TEST_F(GrpcDoorBoundsTest, NobodyHasAllAnswers) {
  Start({.bounds = {.answers = {.open = 2, .open_each = 1}}});
  auto held = Ask(1'000'000);
  held->AwaitBegin();
  EXPECT_EQ(GetOf(limits::kGrpcSmallAnswerBytes + 1).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  Cancel(*held);
}

TEST_F(GrpcDoorBoundsTest, AnAnswerThatIsNotTakenIsGivenUp) {
  // More than fits on its way.
  constexpr size_t kBytes = 200'000;
  Start({.bounds = {.answer_bytes = 5 * kBytes / 2,
                    .patience = {.answer = kNoPatience}}});
  auto held = Ask(kBytes);
  held->AwaitBegin();
  grpc::Status status;
  do {
    status = GetOf(kBytes);
  } while (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(status.ok());
  Cancel(*held);
}

TEST_F(GrpcDoorBoundsTest, CallsOfAConnectionAreBounded) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < limits::kGrpcStreamsPerConnectionMax; ++i) {
    streams.push_back(std::make_unique<Stream>(stub_.get(), kLogMetrics));
    streams.back()->Send(Frame(1));
  }
  ByteBuffer answer;
  for (auto& stream : streams) ASSERT_TRUE(stream->Receive(&answer));
  // One more waits, by the caller's deadline in vain.
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(300));
  v1::GetExperimentResponse response;
  EXPECT_EQ(Get(&context, "7", &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  streams.back()->StartWritesDone();
  EXPECT_TRUE(streams.back()->End().ok());
  streams.pop_back();
  EXPECT_TRUE(GetOf(7).ok());
  for (auto& stream : streams) {
    stream->StartWritesDone();
    EXPECT_TRUE(stream->End().ok());
  }
}

}  // namespace
}  // namespace millstream::server
