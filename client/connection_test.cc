// What goes over the wire, as a server sees that says it back.
#include "client/connection.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Refuses all calls, with the method and who calls.
class Mirror final : public grpc::CallbackGenericService {
 public:
  Mirror() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~Mirror() override { server_->Shutdown(); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Reactor(grpc::GenericCallbackServerContext* context) {
      std::string said = context->method();
      const auto& metadata = context->client_metadata();
      for (auto [at, end] = metadata.equal_range("authorization"); at != end;
           ++at) {
        said += " " + std::string(at->second.data(), at->second.size());
      }
      Finish(grpc::Status(grpc::StatusCode::ABORTED, said));
    }
    void OnDone() override { delete this; }
  };

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Reactor(context);
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

std::string Said(ServerOptions options) {
  Mirror mirror;
  options.address = mirror.address();
  v1::GetRunRequest request;
  v1::GetRunResponse response;
  const absl::Status status =
      (*Connection::Make(options))
          ->Call("S/M", request, &response, absl::Seconds(60), true);
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  return std::string(status.message());
}

TEST(ConnectionTest, SaysWhoCalls) {
  EXPECT_EQ(Said({}), "/millstream.v1.S/M");
  EXPECT_EQ(Said({.user = "Aladdin", .password = "open sesame"}),
            "/millstream.v1.S/M Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(Said({.bearer_token = "a.b-c"}), "/millstream.v1.S/M Bearer a.b-c");
}

TEST(ConnectionTest, OptionsThatMakeNoSenseAreRefused) {
  for (const ServerOptions& options :
       {ServerOptions{}, ServerOptions{.address = "a:1", .password = "secret"},
        ServerOptions{.address = "a:1", .user = "a:b", .password = "secret"},
        ServerOptions{.address = "a:1", .user = "u", .bearer_token = "secret"},
        ServerOptions{.address = "a:1", .bearer_token = "sec\nret"},
        ServerOptions{.address = "a:1", .tls = true, .tls_certificate = "pem"},
        ServerOptions{.address = "a:1", .tls_root_certificates = "pem"}}) {
    const absl::Status status = Connection::Make(options).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(status.ToString(), Not(HasSubstr("secret")));
  }
}

TEST(ConnectionTest, ShutdownEndsCalls) {
  // Nobody is there, and the caller has all the time.
  auto connection = *Connection::Make({.address = "127.0.0.1:1"});
  connection->Shutdown();
  v1::GetRunRequest request;
  v1::GetRunResponse response;
  EXPECT_TRUE(absl::IsCancelled(connection->Call(
      "S/M", request, &response, absl::InfiniteDuration(), true)));
}

}  // namespace
}  // namespace millstream::client
