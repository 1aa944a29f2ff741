#include "server/standard_services.h"

#include <string>
#include <vector>

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
  void BreakOff() override {}
  void End(const absl::Status& status) override { ends.push_back(status); }

  int reads = 0;
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
  std::vector<std::shared_ptr<StreamBody>> bodies;
  for (size_t i = 0; i < limits::kStandardStreamsMax; ++i) {
    bodies.push_back(*services_.Watch(context_));
  }
  EXPECT_EQ(GetErrorCode(services_.Watch(context_).status()),
            v1::RESOURCE_EXHAUSTED);
  bodies[0]->Start(&caller_);
  bodies[0]->OnGone();
  EXPECT_TRUE(services_.Watch(context_).ok());
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
