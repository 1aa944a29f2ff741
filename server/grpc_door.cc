#include "server/grpc_door.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "google/protobuf/arena.h"
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
#include "millstream/v1/artifacts.pb.h"
#include "server/grpc_door_call.h"
#include "server/grpc_listener.h"

namespace millstream::server {
namespace {

using google::protobuf::Arena;
using google::protobuf::FieldDescriptor;
using grpc::ByteBuffer;

// A connection that was silent for so long is asked whether it still is one,
// and closed if it does not answer: streams of callers that have vanished end.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveAnswerMs = 20'000;
// What gRPC takes for messages on their way in and out, of all connections:
// beyond it, it ends streams rather than have the server run out of memory.
constexpr size_t kTransportBytesMax = 512 << 20;
// What a caller may send before it is read. Left alone, gRPC lets it grow to
// what a connection carries in a round trip: tens of MB for a fast sender.
constexpr int kLookaheadBytes = 1 << 20;
// How often the files of TLS are looked at.
constexpr unsigned int kTlsLookSeconds = 1;
// Callers may ask the same this often, with or without a call under way.
constexpr int kCallersKeepaliveMs = 10'000;

class UnaryCall final : public grpc::ServerUnaryReactor, Call {
 public:
  UnaryCall(grpc::CallbackServerContext* grpc, const DoorParts& door,
            const Method* method, const ByteBuffer* request,
            ByteBuffer* response)
      : Call(grpc, door, method),
        request_(*request),
        response_(response) {
    Introduce([this](const absl::Status& status) {
      if (!status.ok()) {
        Finish(Leave(status));
      } else if (!pool_->Post([this] { Finish(Leave(Run())); })) {
        Finish(Leave(Overloaded()));
      }
    });
  }

  void OnCancel() override { context_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  absl::Status Run() {
    Arena arena;
    Message* request = method_->request_type->New(&arena);
    Message* response = method_->response_type->New(&arena);
    context_.set_request_bytes(request_.Length());
    if (!Parse(&request_, request)) return UnreadableRequest(*method_);
    absl::Status status =
        dispatcher_->Call(context_, *method_, *request, response);
    if (status.ok()) *response_ = Serialize(*response);
    return status;
  }

  ByteBuffer request_;
  ByteBuffer* const response_;
};

// Answers with a file, a chunk at a time: the next is read when the last has
// been taken.
class DownloadCall final : public grpc::ServerWriteReactor<ByteBuffer>, Call {
 public:
  DownloadCall(grpc::CallbackServerContext* grpc, const DoorParts& door,
               const Method* method, const ByteBuffer* request)
      : Call(grpc, door, method), request_(*request) {
    Introduce([this](const absl::Status& status) {
      if (!status.ok()) {
        End(status);
      } else {
        Post([this] { Open(); });
      }
    });
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      End(absl::CancelledError("the caller has gone"));
      return;
    }
    Post([this] { Continue(v1::ArtifactChunk()); });
  }
  void OnCancel() override { context_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  void Post(std::function<void()> step) {
    if (!pool_->Post(std::move(step))) End(Overloaded());
  }

  void End(const absl::Status& status) { Finish(Leave(status)); }

  void Open() {
    Arena arena;
    Message* request = method_->request_type->New(&arena);
    if (!Parse(&request_, request)) {
      End(UnreadableRequest(*method_));
      return;
    }
    absl::StatusOr<Download> download =
        dispatcher_->OpenDownload(context_, *method_, *request);
    if (!download.ok()) {
      End(download.status());
      return;
    }
    download_ = *std::move(download);
    v1::ArtifactChunk first;
    if (download_.size.has_value()) first.set_file_size(*download_.size);
    first.set_content_type(download_.content_type);
    Continue(std::move(first));
  }

  // Sends `chunk` with the next data in it. The first is sent even when the
  // file is empty.
  void Continue(v1::ArtifactChunk chunk) {
    if (absl::Status alive = context_.Alive(); !alive.ok()) {
      End(alive);
      return;
    }
    const bool first = chunk.has_content_type();
    std::string* data = chunk.mutable_data();
    data->resize(limits::kTransferChunkBytes);
    absl::StatusOr<size_t> read =
        download_.source->Read({data->data(), data->size()});
    if (!read.ok()) {
      End(read.status());
      return;
    }
    if (*read == 0 && !first) {
      End(absl::OkStatus());
      return;
    }
    data->resize(*read);
    buffer_ = Serialize(chunk);
    StartWrite(&buffer_);
  }

  ByteBuffer request_;
  Download download_;
  ByteBuffer buffer_;
};

// Takes a file, a message at a time: the next is asked for when the last has
// been written.
class UploadCall final : public grpc::ServerReadReactor<ByteBuffer>, Call {
 public:
  UploadCall(grpc::CallbackServerContext* grpc, const DoorParts& door,
             const Method* method, ByteBuffer* response)
      : Call(grpc, door, method), response_(response) {
    Introduce([this](const absl::Status& status) {
      if (!status.ok()) {
        End(status);
      } else {
        StartRead(&buffer_);
      }
    });
  }

  void OnReadDone(bool ok) override {
    if (!pool_->Post([this, ok] { ok ? Take() : Commit(); })) {
      End(Overloaded());
    }
  }
  void OnCancel() override { context_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) {
    upload_.sink.reset();
    Finish(Leave(status));
  }

  absl::Status Write(const Message& message) {
    if (upload_.sink == nullptr) {
      absl::StatusOr<Upload> upload =
          dispatcher_->OpenUpload(context_, *method_, message);
      if (!upload.ok()) return upload.status();
      upload_ = *std::move(upload);
    }
    const FieldDescriptor* data =
        message.GetDescriptor()->FindFieldByName("data");
    std::string scratch;
    const std::string& bytes =
        message.GetReflection()->GetStringReference(message, data, &scratch);
    return bytes.empty() ? absl::OkStatus() : upload_.sink->Write(bytes);
  }

  void Take() {
    if (buffer_.Length() > limits::kGrpcStreamMessageBytesMax) {
      End(InvalidParameter("A message of an upload may have at most ",
                           limits::kGrpcStreamMessageBytesMax,
                           " bytes; send the file in more of them."));
      return;
    }
    Arena arena;
    Message* message = method_->request_type->New(&arena);
    absl::Status status = Parse(&buffer_, message)
                              ? Write(*message)
                              : UnreadableRequest(*method_);
    if (!status.ok()) {
      End(status);
      return;
    }
    buffer_.Clear();
    StartRead(&buffer_);
  }

  // The stream has ended: by the caller's word, or because the call died, and
  // then nothing must be kept.
  void Commit() {
    absl::Status status = context_.Alive();
    if (status.ok() && grpc_->IsCancelled()) {
      status = absl::CancelledError("cancelled");
    }
    if (status.ok() && upload_.sink == nullptr) {
      status = InvalidParameter(
          "The stream ended before its first message, which names the file.");
    }
    if (status.ok()) status = upload_.Finish();
    if (status.ok()) {
      *response_ = Serialize(upload_.response == nullptr
                                 ? *method_->response_type
                                 : *upload_.response);
    }
    End(status);
  }

  ByteBuffer* const response_;
  ByteBuffer buffer_;
  Upload upload_;
};

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
    RpcMethod::RpcType type = RpcMethod::NORMAL_RPC;
    grpc::internal::MethodHandler* handler = nullptr;
    if (method.download != nullptr) {
      type = RpcMethod::SERVER_STREAMING;
      handler = new grpc::internal::CallbackServerStreamingHandler<ByteBuffer,
                                                                   ByteBuffer>(
          [this, m](grpc::CallbackServerContext* context,
                    const ByteBuffer* request) {
            return new DownloadCall(context, door_, m, request);
          });
    } else if (method.upload != nullptr) {
      type = RpcMethod::CLIENT_STREAMING;
      handler = new grpc::internal::CallbackClientStreamingHandler<ByteBuffer,
                                                                   ByteBuffer>(
          [this, m](grpc::CallbackServerContext* context,
                    ByteBuffer* response) {
            return new UploadCall(context, door_, m, response);
          });
    } else if (method.stream != nullptr) {
      // Of one request or of many: the same on the wire.
      type = RpcMethod::BIDI_STREAMING;
      handler =
          new grpc::internal::CallbackBidiHandler<ByteBuffer, ByteBuffer>(
              [this, m](grpc::CallbackServerContext* context) {
                return StartStreamCall(context, door_, m);
              });
    } else {
      handler =
          new grpc::internal::CallbackUnaryHandler<ByteBuffer, ByteBuffer>(
              [this, m](grpc::CallbackServerContext* context,
                        const ByteBuffer* request, ByteBuffer* response) {
                return new UnaryCall(context, door_, m, request, response);
              });
    }
    AddMethod(new grpc::internal::RpcServiceMethod(names_.back().c_str(), type,
                                                   nullptr));
    // Takes the handler.
    MarkMethodRawCallback(static_cast<int>(names_.size()) - 1, handler);
  }

  const DoorParts& door_;
  // Never grows past what it reserved: gRPC keeps pointers into it.
  std::vector<std::string> names_;
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
      : pool_(options.threads_max, limits::kGrpcCallsWaitingMax),
        door_{dispatcher, &pool_, options.caller_of, options.access_log} {
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
    builder.SetResourceQuota(
        grpc::ResourceQuota("millstream").Resize(kTransportBytesMax));
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES,
                               kLookaheadBytes);
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
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return absl::UnavailableError(
          "The gRPC library does not start; its lines in the log say why.");
    }
    listener_->Start([this](int socket) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
          connection;
      connection.fd = socket;
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
  // Outlives the calls, which outlive the server.
  ThreadPool pool_;
  const DoorParts door_;
  std::vector<std::unique_ptr<DescriptorService>> services_;
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
