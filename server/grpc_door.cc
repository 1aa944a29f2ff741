#include "server/grpc_door.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory_budget.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "grpcpp/impl/rpc_service_method.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/support/server_callback.h"
#include "server/grpc_door_call.h"
#include "server/grpc_listener.h"

namespace millstream::server {
namespace {

using grpc::ByteBuffer;

// A connection that was silent for so long is asked whether it still is one,
// and closed if it does not answer: streams of callers that have vanished end.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveAnswerMs = 20'000;
// How often the files of TLS are looked at.
constexpr unsigned int kTlsLookSeconds = 1;
// Callers may ask the same this often, with or without a call under way.
constexpr int kCallersKeepaliveMs = 10'000;

// One service of the table under its own name.
class DescriptorService final : public grpc::Service {
 public:
  DescriptorService(const google::protobuf::ServiceDescriptor* service,
                    const DoorParts* door)
      : door_(*door) {
    names_.reserve(service->method_count());
    for (int i = 0; i < service->method_count(); ++i) {
      const google::protobuf::MethodDescriptor* rpc = service->method(i);
      const Method* method = door_.dispatcher->methods().Find(rpc);
      // Cannot be in a table that passed its check; gRPC itself answers
      // UNIMPLEMENTED then.
      if (method == nullptr) continue;
      names_.push_back(
          absl::StrCat("/", service->full_name(), "/", rpc->name()));
      AddRpc(*method);
    }
  }

 private:
  // The method is the one that names_ ends with.
  void AddRpc(const Method& method) {
    using grpc::internal::RpcMethod;
    const Method* m = &method;
    auto* handler =
        new grpc::internal::CallbackBidiHandler<ByteBuffer, ByteBuffer>(
            [this, m](grpc::CallbackServerContext* context) {
              return Start(context, m);
            });
    AddMethod(new grpc::internal::RpcServiceMethod(
        names_.back().c_str(), RpcMethod::BIDI_STREAMING, nullptr));
    // Takes the handler.
    MarkMethodRawCallback(static_cast<int>(names_.size()) - 1, handler);
  }

  Reactor* Start(grpc::CallbackServerContext* context,
                 const Method* method) const {
    if (method->stream != nullptr) {
      return StartStreamCall(context, door_, method);
    }
    if (method->download != nullptr) {
      return StartDownloadCall(context, door_, method);
    }
    if (method->upload != nullptr) {
      return StartUploadCall(context, door_, method);
    }
    return StartUnaryCall(context, door_, method);
  }

  const DoorParts& door_;
  // Never grows past what it reserved: gRPC keeps pointers into it.
  std::vector<std::string> names_;
};

// A call of an rpc that there is not.
class UnknownCall final : public Reactor {
 public:
  UnknownCall(grpc::CallbackServerContext* grpc, ConnectionGuard* connections)
      : guarded_(connections->Begin(grpc->peer())) {
    Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED,
                        "The server has no such rpc."));
  }
  void OnDone() override { delete this; }

 private:
  const ConnectionGuard::Call guarded_;
};

class UnknownService final : public grpc::CallbackGenericService {
 public:
  explicit UnknownService(ConnectionGuard* connections)
      : connections_(connections) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new UnknownCall(context, connections_);
  }

 private:
  ConnectionGuard* const connections_;
};

// What the door shows of itself. TLS 1.2 and later.
std::shared_ptr<grpc::ServerCredentials> CredentialsOf(
    const GrpcTlsFiles& files) {
  namespace tls = grpc::experimental;
  if (files.certificate.empty()) return grpc::InsecureServerCredentials();
  tls::TlsServerCredentialsOptions options(
      std::make_shared<tls::FileWatcherCertificateProvider>(
          files.key, files.certificate, files.client_ca, kTlsLookSeconds));
  options.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  // Callers go by no host name.
  options.set_certificate_verifier(
      std::make_shared<tls::NoOpCertificateVerifier>());
  return tls::TlsServerCredentials(options);
}

class GrpcDoorImpl final : public GrpcDoor {
 public:
  GrpcDoorImpl(const GrpcDoorOptions& options, Dispatcher* dispatcher)
      : guard_(options.bounds.connections),
        requests_(options.bounds.requests.open,
                  options.bounds.requests.open_each,
                  options.bounds.request_patience),
        transfers_(options.bounds.transfers, "transfers under way", Stopping()),
        answers_(options.bounds.answers, "answers waiting to be taken",
                 Stopping()),
        answer_bytes_(options.bounds.answer_bytes),
        strangers_(options.bounds.strangers_reads),
        pool_(options.threads_max, limits::kGrpcCallsWaitingMax),
        door_{.dispatcher = dispatcher,
              .pool = &pool_,
              .caller_of = options.caller_of,
              .access_log = options.access_log,
              .connections = &guard_,
              .requests = &requests_,
              .transfers = &transfers_,
              .answers = &answers_,
              .answer_bytes = &answer_bytes_,
              .strangers = &strangers_,
              .patience = options.bounds.patience} {
    for (const auto* service : dispatcher->methods().services()) {
      services_.push_back(
          std::make_unique<DescriptorService>(service, &door_));
    }
  }

  ~GrpcDoorImpl() override { Stop(absl::ZeroDuration()); }

  absl::Status Listen(const GrpcDoorOptions& options) {
    // Health and reflection are rpcs of the table.
    grpc::EnableDefaultHealthCheckService(false);
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(limits::kGrpcMessageBytesMax);
    // The library unpacks a message whole before it looks at its size.
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    builder.SetResourceQuota(grpc::ResourceQuota("millstream")
                                 .Resize(limits::kGrpcTransportBytesMax));
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES,
                               limits::kGrpcLookaheadBytes);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                               limits::kGrpcStreamsPerConnectionMax);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                               kKeepaliveAnswerMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(
        GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
        kCallersKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                               limits::kGrpcHandshakeMsMax);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                               limits::kGrpcIdleMsMax);
    ASSIGN_OR_RETURN(listener_,
                     GrpcListener::Open(options.host, options.port));
    connections_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        CredentialsOf(options.tls));
    for (const auto& service : services_) {
      builder.RegisterService(service.get());
    }
    builder.RegisterCallbackGenericService(&unknown_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return absl::UnavailableError(
          "The gRPC library does not start; its lines in the log say why.");
    }
    listener_->Start([this](int socket) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
          connection;
      connection.fd = socket;
      guard_.Watch(socket);
      connections_->HandleNewConnection(&connection);
    });
    return absl::OkStatus();
  }

  uint16_t port() const override { return listener_->port(); }

  void Stop(absl::Duration grace) override {
    if (listener_ != nullptr) listener_->Stop();
    if (server_ != nullptr) {
      server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
    }
  }

 private:
  static absl::Status Stopping() {
    return MakeError(v1::TEMPORARILY_UNAVAILABLE, "The server stops.");
  }

  // These outlive the calls, which outlive the server.
  ConnectionGuard guard_;
  SlowRequests requests_;
  StreamRegistry<CallTurn> transfers_;
  StreamRegistry<CallTurn> answers_;
  MemoryBudget answer_bytes_;
  StrangersReads strangers_;
  ThreadPool pool_;
  const DoorParts door_;
  std::vector<std::unique_ptr<DescriptorService>> services_;
  UnknownService unknown_{&guard_};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections_;
  std::unique_ptr<GrpcListener> listener_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcDoor>> GrpcDoor::Start(
    const GrpcDoorOptions& options, Dispatcher* dispatcher) {
  auto door = std::make_unique<GrpcDoorImpl>(options, dispatcher);
  if (absl::Status status = door->Listen(options); !status.ok()) return status;
  return door;
}

}  // namespace millstream::server
