#include "server/standard_services.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "grpc/reflection.pb.h"
#include "gtest/gtest.h"
#include "server/method_table.h"

namespace millstream::server {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

class Bytes final : public StreamMessage {
 public:
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  size_t size() const override { return bytes_.size(); }
  bool Parse(Message* message) override {
    return message->ParseFromString(bytes_);
  }

 private:
  const std::string bytes_;
};

// Keeps what it is told.
class Caller final : public StreamCaller {
 public:
  CallContext& context() override { return context_; }
  void Read() override { ++reads; }
  void Write(const Message& message) override {
    written.push_back(message.SerializeAsString());
  }
  void BreakOff() override { ++broken_off; }
  void End(const absl::Status& status) override { ends.push_back(status); }

  int reads = 0;
  int broken_off = 0;
  std::vector<std::string> written;
  std::vector<absl::Status> ends;

 private:
  CallContext context_{Door::kGrpc};
};

class StandardServicesTest : public testing::Test {
 protected:
  StandardServicesTest() { services_.Register(&table_); }

  HealthCheckResponse::ServingStatus Said(size_t index) {
    HealthCheckResponse response;
    EXPECT_TRUE(response.ParseFromString(caller_.written.at(index)));
    return response.status();
  }
  ServerReflectionResponse Reflect(const ServerReflectionRequest& request) {
    Caller caller;
    auto body = services_.ServerReflectionInfo(context_);
    EXPECT_TRUE(body.ok());
    (*body)->Start(&caller);
    (*body)->OnMessage(std::make_unique<Bytes>(request.SerializeAsString()));
    ServerReflectionResponse response;
    EXPECT_TRUE(response.ParseFromString(caller.written.at(0)));
    (*body)->OnWritten();
    EXPECT_EQ(caller.reads, 2);
    (*body)->OnNoMoreMessages();
    EXPECT_EQ(caller.ends.size(), 1u);
    EXPECT_TRUE(caller.ends.at(0).ok());
    return response;
  }

  MethodTable table_;
  StandardServices services_;
  CallContext context_{Door::kGrpc};
  Caller caller_;
};

TEST_F(StandardServicesTest, HealthIsOpenAndReflectionIsNot) {
  ASSERT_TRUE(table_.Check().ok()) << table_.Check();
  for (const Method* method : table_.methods()) {
    EXPECT_EQ(method->access->open(),
              method->descriptor->service()->name() == "Health")
        << method->descriptor->full_name();
  }
}

TEST_F(StandardServicesTest, ChecksHealth) {
  HealthCheckRequest request;
  HealthCheckResponse response;
  ASSERT_TRUE(services_.Check(context_, request, &response).ok());
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  request.set_service("grpc.health.v1.Health");
  EXPECT_TRUE(services_.Check(context_, request, &response).ok());
  request.set_service("no.Such");
  EXPECT_EQ(GetErrorCode(services_.Check(context_, request, &response)),
            v1::RESOURCE_DOES_NOT_EXIST);
}

TEST_F(StandardServicesTest, WhoWatchesHealthIsToldOfTheEnd) {
  auto body = services_.Watch(context_);
  ASSERT_TRUE(body.ok());
  (*body)->Start(&caller_);
  (*body)->OnMessage(std::make_unique<Bytes>(""));
  (*body)->OnWritten();
  (*body)->OnNoMoreMessages();
  EXPECT_EQ(Said(0), HealthCheckResponse::SERVING);
  EXPECT_TRUE(caller_.ends.empty());
  services_.Stop();
  EXPECT_EQ(Said(1), HealthCheckResponse::NOT_SERVING);
  (*body)->OnWritten();
  ASSERT_EQ(caller_.ends.size(), 1u);
  EXPECT_EQ(GetErrorCode(caller_.ends[0]), v1::TEMPORARILY_UNAVAILABLE);
  EXPECT_FALSE(services_.Watch(context_).ok());
}

TEST_F(StandardServicesTest, WatchersThatGoEnd) {
  auto body = services_.Watch(context_);
  (*body)->Start(&caller_);
  (*body)->OnMessage(std::make_unique<Bytes>(""));
  (*body)->OnGone();
  EXPECT_TRUE(caller_.ends.empty()) << "a write is under way";
  (*body)->OnWritten();
  EXPECT_EQ(caller_.ends.size(), 1u);
}

TEST_F(StandardServicesTest, StreamsAreCounted) {
  const StandardServices::Limits named;
  EXPECT_EQ(named.streams.open, limits::kStandardStreamsMax);
  EXPECT_EQ(named.streams.open_each, limits::kStandardStreamsEachMax);
  StandardServices services({.streams = {.open = 3, .open_each = 2}});
  services.Register(&table_);
  std::vector<std::shared_ptr<StreamBody>> bodies;
  std::vector<std::unique_ptr<Caller>> callers;
  CallContext elsewhere{Door::kGrpc};
  elsewhere.set_peer("ipv4:10.0.0.2:5");
  auto watch = [&](CallContext& context) {
    auto body = services.Watch(context);
    if (!body.ok()) return body.status();
    bodies.push_back(*body);
    callers.push_back(std::make_unique<Caller>());
    bodies.back()->Start(callers.back().get());
    bodies.back()->OnMessage(std::make_unique<Bytes>(""));
    return absl::OkStatus();
  };
  EXPECT_TRUE(watch(context_).ok());
  EXPECT_TRUE(watch(context_).ok());
  EXPECT_EQ(GetErrorCode(watch(context_)), v1::RESOURCE_EXHAUSTED)
      << "one has all";
  EXPECT_TRUE(watch(elsewhere).ok());
  EXPECT_EQ(GetErrorCode(watch(elsewhere)), v1::RESOURCE_EXHAUSTED);
  for (const auto& body : bodies) {
    body->OnWritten();
    body->OnGone();
  }
  EXPECT_TRUE(watch(context_).ok());
  bodies.back()->OnWritten();
  bodies.back()->OnGone();
}

TEST_F(StandardServicesTest, WhoLetsTheServerWaitIsNotWaitedFor) {
  const absl::Time first =
      absl::Now() + absl::Milliseconds(limits::kStreamFirstMessageMsMax);
  const absl::Time later =
      absl::Now() + absl::Milliseconds(limits::kStreamAnswerMsMax) +
      absl::Seconds(10);
  Caller silent, watcher, reflecting, stuck;
  const std::vector<std::pair<Caller*, std::shared_ptr<StreamBody>>> streams = {
      {&silent, *services_.Watch(context_)},
      {&watcher, *services_.Watch(context_)},
      {&reflecting, *services_.ServerReflectionInfo(context_)},
      {&stuck, *services_.Watch(context_)}};
  for (const auto& [caller, body] : streams) {
    body->Start(caller);
    if (caller == &silent) continue;
    body->OnMessage(std::make_unique<Bytes>(""));
    if (caller != &stuck) body->OnWritten();
  }
  services_.CheckPatience(absl::Now());
  EXPECT_TRUE(silent.ends.empty());
  services_.CheckPatience(first + absl::Seconds(1));
  ASSERT_EQ(silent.ends.size(), 1u);
  EXPECT_EQ(GetErrorCode(silent.ends[0]), v1::DEADLINE_EXCEEDED);
  EXPECT_TRUE(reflecting.ends.empty());
  services_.CheckPatience(later);
  EXPECT_EQ(reflecting.ends.size(), 1u);
  EXPECT_EQ(stuck.broken_off, 1);
  streams[3].second->OnWritten();
  EXPECT_EQ(stuck.ends.size(), 1u);
  EXPECT_TRUE(watcher.ends.empty()) << "it may last";
  streams[1].second->OnGone();
}

TEST_F(StandardServicesTest, ReflectsServicesFilesAndSymbols) {
  ServerReflectionRequest request;
  request.set_list_services("");
  EXPECT_EQ(Reflect(request).list_services_response().service_size(), 2);
  request.set_file_containing_symbol("grpc.health.v1.Health");
  // The file and what it imports.
  EXPECT_EQ(Reflect(request)
                .file_descriptor_response()
                .file_descriptor_proto_size(),
            3);
  request.set_file_by_filename("grpc/health.proto");
  EXPECT_TRUE(Reflect(request).has_file_descriptor_response());
  request.set_all_extension_numbers_of_type("google.protobuf.MethodOptions");
  EXPECT_GE(Reflect(request)
                .all_extension_numbers_response()
                .extension_number_size(),
            2);
  auto* extension = request.mutable_file_containing_extension();
  extension->set_containing_type("google.protobuf.MethodOptions");
  extension->set_extension_number(50001);
  EXPECT_TRUE(Reflect(request).has_file_descriptor_response());
  request.set_file_by_filename("no.proto");
  EXPECT_EQ(Reflect(request).error_response().error_code(), 5);
}

}  // namespace
}  // namespace millstream::server
