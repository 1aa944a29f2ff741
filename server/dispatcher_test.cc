#include "server/dispatcher.h"

#include "absl/time/clock.h"
#include "auth/user_source.h"
#include "base/clock.h"
#include "base/error.h"
#include "gtest/gtest.h"
#include "millstream/v1/artifacts.pb.h"
#include "millstream/v1/tracking.pb.h"
#include "monitoring/monitor.h"
#include "server/call_monitor.h"

namespace millstream::server {
namespace {

// A service of one rpc that answers what it is told to.
struct Experiments {
  absl::Status Get(CallContext&, const v1::GetExperimentRequest& request,
                   v1::GetExperimentResponse* response) {
    ++calls;
    response->mutable_experiment()->set_experiment_id(request.experiment_id());
    return result;
  }
  absl::Status LogInputs(CallContext&, const v1::LogInputsRequest&,
                         v1::LogInputsResponse*) {
    return absl::OkStatus();
  }
  absl::Status result;
  int calls = 0;
};

// Files on a bad disk.
struct Files {
  struct BadSource : ByteSource {
    absl::StatusOr<size_t> Read(std::span<char>) override {
      return absl::InternalError("read of /home/me failed");
    }
    absl::Status Seek(int64_t) override { return absl::OkStatus(); }
  };
  struct BadSink : ByteSink {
    absl::Status Write(std::string_view) override {
      return InvalidParameter("too large");
    }
    absl::Status Finish() override {
      return absl::InternalError("sync of /home/me failed");
    }
  };
  absl::StatusOr<Download> Get(CallContext&,
                               const v1::DownloadArtifactRequest&) {
    Download download;
    download.source = std::make_unique<BadSource>();
    return download;
  }
  absl::StatusOr<Upload> Put(CallContext&, const v1::UploadArtifactRequest&) {
    return Upload{std::make_unique<BadSink>()};
  }
};

const google::protobuf::ServiceDescriptor* Service() {
  return v1::Experiment::descriptor()
      ->file()
      ->pool()
      ->FindServiceByName("millstream.v1.TrackingService");
}

class DispatcherTest : public testing::Test {
 protected:
  DispatcherTest() {
    // Links the service's file in.
    v1::GetExperimentRequest::descriptor();
    table_.Service(Service());
    table_.Unary("GetExperiment", &experiments_, &Experiments::Get);
    table_.Unary("LogInputs", &experiments_, &Experiments::LogInputs);
  }

  absl::Status Get(const v1::GetExperimentRequest& request) {
    return dispatcher_.Call(
        context_, *table_.Find(Service()->FindMethodByName("GetExperiment")),
        request, &response_);
  }

  Experiments experiments_;
  MethodTable table_;
  Dispatcher dispatcher_{&table_};
  CallContext context_{Door::kRest};
  v1::GetExperimentResponse response_;
};

TEST_F(DispatcherTest, CallsTheHandlerOfTheRpc) {
  v1::GetExperimentRequest request;
  request.set_experiment_id("7");
  ASSERT_TRUE(Get(request).ok());
  EXPECT_EQ(response_.experiment().experiment_id(), "7");
}

TEST_F(DispatcherTest, RequiredFieldsAreCheckedBeforeTheHandler) {
  absl::Status status = Get({});
  EXPECT_EQ(GetErrorCode(status), v1::INVALID_PARAMETER_VALUE);
  EXPECT_NE(GetPublicMessage(status).find("experiment_id"),
            std::string_view::npos);
  v1::GetExperimentRequest request;
  request.set_experiment_id("");
  EXPECT_FALSE(Get(request).ok());
  EXPECT_EQ(experiments_.calls, 0);
}

TEST_F(DispatcherTest, RequiredFieldsAreCheckedInNestedMessages) {
  v1::LogInputsRequest request;
  request.set_run_id("r");
  v1::Dataset* dataset = request.add_datasets()->mutable_dataset();
  dataset->set_digest("d");
  v1::LogInputsResponse response;
  absl::Status status = dispatcher_.Call(
      context_, *table_.Find(Service()->FindMethodByName("LogInputs")),
      request, &response);
  EXPECT_NE(GetPublicMessage(status).find("'datasets[0].dataset.name'"),
            std::string_view::npos)
      << status;
}

TEST_F(DispatcherTest, DeadCallsDoNotReachTheHandler) {
  v1::GetExperimentRequest request;
  request.set_experiment_id("7");
  context_.set_deadline(absl::Now() - absl::Seconds(1));
  EXPECT_EQ(GetErrorCode(Get(request)), v1::DEADLINE_EXCEEDED);
  context_.Cancel();
  EXPECT_EQ(GetErrorCode(Get(request)), v1::CANCELLED);
  EXPECT_EQ(experiments_.calls, 0);
}

// No door can let a caller in by forgetting to ask who it is.
TEST_F(DispatcherTest, WhereThereIsAGateCallersMustBeKnown) {
  struct Nobody : auth::UserSource {
    auth::Verdict Verify(std::string_view, std::string_view) override {
      return auth::WrongCredentials();
    }
    bool Holds(const auth::Identity&) override { return false; }
    uint64_t generation() override { return 0; }
  };
  auth::Gate gate(std::make_unique<Nobody>(), &Clock::System());
  Dispatcher guarded(&table_, nullptr, &gate);
  const Method& method =
      *table_.Find(Service()->FindMethodByName("GetExperiment"));
  v1::GetExperimentRequest request;
  request.set_experiment_id("7");
  EXPECT_EQ(GetErrorCode(guarded.Call(context_, method, request, &response_)),
            v1::UNAUTHENTICATED);
  EXPECT_EQ(GetErrorCode(
                guarded.OpenDownload(context_, method, request).status()),
            v1::UNAUTHENTICATED);
  EXPECT_EQ(
      GetErrorCode(guarded.OpenUpload(context_, method, request).status()),
      v1::UNAUTHENTICATED);
  EXPECT_EQ(GetErrorCode(guarded.OpenStream(context_, method).status()),
            v1::UNAUTHENTICATED);
  EXPECT_EQ(experiments_.calls, 0);
  context_.set_identity(
      std::make_shared<auth::Identity>(auth::Identity{"alice"}));
  EXPECT_TRUE(guarded.Call(context_, method, request, &response_).ok());
}

TEST_F(DispatcherTest, CallsAreCountedByHowTheyEnd) {
  monitoring::Monitor monitor("");
  CallMonitor calls(&monitor, table_);
  Dispatcher dispatcher(&table_, nullptr, nullptr, nullptr, &calls);
  const Method& get =
      *table_.Find(Service()->FindMethodByName("GetExperiment"));
  v1::GetExperimentRequest request;
  EXPECT_FALSE(dispatcher.Call(context_, get, request, &response_).ok());
  request.set_experiment_id("7");
  EXPECT_TRUE(dispatcher.Call(context_, get, request, &response_).ok());
  const std::string text = monitor.Text();
  EXPECT_NE(text.find("millstream_call_duration_seconds_count{door=\"rest\","
                      "method=\"GetExperiment\",service=\"TrackingService\"}"
                      " 2\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("millstream_call_failures_total{"
                      "code=\"INVALID_PARAMETER_VALUE\","
                      "method=\"GetExperiment\",service=\"TrackingService\"}"
                      " 1\n"),
            std::string::npos)
      << text;
}

TEST_F(DispatcherTest, FaultsOfOursLeaveWithoutTheirText) {
  experiments_.result = absl::UnknownError("no such table: secrets");
  v1::GetExperimentRequest request;
  request.set_experiment_id("7");
  absl::Status status = Get(request);
  EXPECT_EQ(GetErrorCode(status), v1::INTERNAL_ERROR);
  EXPECT_EQ(std::string(status.message()).find("secrets"), std::string::npos);
}

TEST_F(DispatcherTest, WhatIsNotThereIsAnAnswerAndNoFault) {
  experiments_.result = MakeError(v1::NOT_IMPLEMENTED, "not with folders");
  v1::GetExperimentRequest request;
  request.set_experiment_id("7");
  testing::internal::CaptureStderr();
  absl::Status status = Get(request);
  EXPECT_EQ(GetErrorCode(status), v1::NOT_IMPLEMENTED);
  EXPECT_EQ(GetPublicMessage(status), "not with folders");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  // One of ours still is.
  experiments_.result = absl::UnknownError("no such table");
  testing::internal::CaptureStderr();
  EXPECT_FALSE(Get(request).ok());
  EXPECT_NE(testing::internal::GetCapturedStderr().find("A call failed"),
            std::string::npos);
}

TEST_F(DispatcherTest, AFullDiskTellsNothingOfItsFiles) {
  experiments_.result =
      absl::ResourceExhaustedError("no space: /home/me/data/metrics/7.log");
  v1::GetExperimentRequest request;
  request.set_experiment_id("7");
  absl::Status status = Get(request);
  EXPECT_TRUE(HasErrorCode(status));
  EXPECT_EQ(GetErrorCode(status), v1::RESOURCE_EXHAUSTED);
  EXPECT_EQ(std::string(status.message()).find("/home"), std::string::npos);
}

TEST_F(DispatcherTest, FaultsOfStreamsLeaveWithoutTheirText) {
  Files files;
  MethodTable table;
  const auto* service = v1::DownloadArtifactRequest::descriptor()
                            ->file()
                            ->FindServiceByName("ArtifactService");
  table.Service(service);
  table.Downloads("DownloadArtifact", &files, &Files::Get);
  table.Uploads("UploadArtifact", &files, &Files::Put);
  Dispatcher dispatcher(&table);
  absl::StatusOr<Download> download = dispatcher.OpenDownload(
      context_, *table.Find(service->FindMethodByName("DownloadArtifact")),
      v1::DownloadArtifactRequest());
  ASSERT_TRUE(download.ok());
  char buffer[8];
  EXPECT_EQ(download->source->Read(buffer).status(),
            MakeError(v1::INTERNAL_ERROR,
                      GetPublicMessage(absl::InternalError(""))));
  absl::StatusOr<Upload> upload = dispatcher.OpenUpload(
      context_, *table.Find(service->FindMethodByName("UploadArtifact")),
      v1::UploadArtifactRequest());
  ASSERT_TRUE(upload.ok());
  // What the caller did wrong is told.
  EXPECT_EQ(upload->sink->Write("x"), InvalidParameter("too large"));
  EXPECT_EQ(GetErrorCode(upload->sink->Finish()), v1::INTERNAL_ERROR);
}

TEST_F(DispatcherTest, TableReportsRpcsWithoutHandler) {
  EXPECT_NE(table_.Check().message().find("CreateRun has no handler"),
            absl::string_view::npos);
}

TEST_F(DispatcherTest, TableReportsHandlersThatDoNotFit) {
  MethodTable table;
  table.Service(Service());
  table.Unary("GetRun", &experiments_, &Experiments::Get);
  table.Unary("NoSuchRpc", &experiments_, &Experiments::Get);
  const std::string faults(table.Check().message());
  EXPECT_NE(faults.find("GetRun has other message types"), std::string::npos);
  EXPECT_NE(faults.find("NoSuchRpc is no rpc"), std::string::npos);
}

}  // namespace
}  // namespace millstream::server
