// What strangers may send to a door that asks who calls.
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "auth/gate.h"
#include "auth/user_source.h"
#include "base/clock.h"
#include "grpc/health.pb.h"
#include "gtest/gtest.h"
#include "server/grpc_door_testing.h"
#include "server/standard_services.h"

namespace millstream::server {
namespace {

constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kWatch[] = "/grpc.health.v1.Health/Watch";

// Knows nobody.
class Nobody final : public auth::UserSource {
 public:
  auth::Verdict Verify(std::string_view, std::string_view) override {
    return auth::WrongCredentials();
  }
  bool Holds(const auth::Identity&) override { return false; }
  uint64_t generation() override { return 0; }
};

// The server's health is for everybody.
class GrpcDoorStrangersTest : public GrpcDoorTest {
 protected:
  GrpcDoorStrangersTest() {
    standard_.Register(&table_);
    Start({.bounds = {.strangers_reads = 2}}, &asking_);
  }
  ~GrpcDoorStrangersTest() override {
    standard_.Stop();
    stub_.reset();
    channel_.reset();
    door_.reset();
  }
  using Streams = std::vector<std::unique_ptr<Stream>>;

  // Calls that send nothing, one more than may be read.
  Streams TooMany(const std::string& method) {
    Streams slow;
    for (int i = 0; i < 3; ++i) {
      slow.push_back(std::make_unique<Stream>(stub_.get(), method));
    }
    return slow;
  }
  // Until one has ended, which is taken out.
  static std::unique_ptr<Stream> AwaitEnd(Streams* slow) {
    for (;; absl::SleepFor(absl::Milliseconds(1))) {
      for (auto each = slow->begin(); each != slow->end(); ++each) {
        if (!(*each)->Ended()) continue;
        auto ended = std::move(*each);
        slow->erase(each);
        return ended;
      }
    }
  }
  static void CancelAll(const Streams& streams) {
    for (const auto& each : streams) {
      each->context.TryCancel();
      EXPECT_EQ(each->End().error_code(), grpc::StatusCode::CANCELLED);
    }
  }
  // Whoever says what he wants is answered.
  void ExpectHealth() {
    Stream quick(stub_.get(), kCheck);
    quick.Send(grpc::health::v1::HealthCheckRequest());
    quick.StartWritesDone();
    ByteBuffer answer;
    EXPECT_TRUE(quick.Receive(&answer));
    EXPECT_TRUE(quick.End().ok());
  }

  StandardServices standard_;
  auth::Gate gate_{std::make_shared<Nobody>(), &Clock::System()};
  Dispatcher asking_{&table_, nullptr, &gate_};
};

TEST_F(GrpcDoorStrangersTest, NothingIsReadOfThem) {
  for (const char* method :
       {kGetExperiment, "/millstream.v1.ArtifactService/DownloadArtifact",
        "/millstream.v1.ArtifactService/UploadArtifact", kLogMetrics}) {
    // Who has sent nothing yet is refused already.
    Stream stream(stub_.get(), method);
    EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::UNAUTHENTICATED)
        << method;
  }
}

TEST_F(GrpcDoorStrangersTest, FewAreWaitedForWhereNobodyIsAsked) {
  for (const char* method : {kCheck, kWatch}) {
    Streams slow = TooMany(method);
    EXPECT_EQ(AwaitEnd(&slow)->End().error_code(),
              grpc::StatusCode::CANCELLED)
        << method;
    // It takes the place of another one, for a moment.
    ExpectHealth();
    CancelAll(slow);
  }
}

TEST_F(GrpcDoorStrangersTest, WhereNobodyIsAskedAtAllTheyAreNoStrangers) {
  Start({.bounds = {.strangers_reads = 2}}, &dispatcher_);
  Streams slow = TooMany(kCheck);
  ExpectHealth();
  for (const auto& each : slow) {
    each->Send(grpc::health::v1::HealthCheckRequest());
    each->StartWritesDone();
    ByteBuffer answer;
    EXPECT_TRUE(each->Receive(&answer));
    EXPECT_TRUE(each->End().ok());
  }
}

}  // namespace
}  // namespace millstream::server
