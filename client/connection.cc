#include "client/connection.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/synchronization/notification.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/codegen/proto_utils.h"

namespace millstream::client {
namespace {

using google::protobuf::MessageLite;

constexpr char kPackage[] = "/millstream.v1.";
// What a server of ours says with every refusal (grpc_door.h); it becomes the
// payload of that name.
constexpr char kErrorCode[] = "millstream-error-code";
// Open to everybody, and of no consequence.
constexpr char kHealth[] = "/grpc.health.v1.Health/Check";
constexpr absl::Duration kHealthWait = absl::Seconds(1);
// A connection that fails is tried again after these; gRPC adds jitter.
constexpr int kReconnectMsMin = 100;
constexpr int kReconnectMsMax = 5000;

bool IsVisible(std::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

absl::StatusOr<std::string> AuthorizationOf(const ServerOptions& options) {
  if (!options.bearer_token.empty()) {
    if (!options.user.empty() || !options.password.empty()) {
      return absl::InvalidArgumentError(
          "set either 'user' and 'password' or 'bearer_token'");
    }
    if (!IsVisible(options.bearer_token)) {
      return absl::InvalidArgumentError(
          "'bearer_token' may have visible ASCII characters only");
    }
    return "Bearer " + options.bearer_token;
  }
  if (options.user.empty()) {
    if (options.password.empty()) return std::string();
    return absl::InvalidArgumentError("there is a 'password' but no 'user'");
  }
  if (options.user.find(':') != std::string::npos) {
    return absl::InvalidArgumentError("'user' may have no colon");
  }
  return "Basic " +
         absl::Base64Escape(absl::StrCat(options.user, ":", options.password));
}

absl::Status CheckTls(const ServerOptions& options) {
  if (options.tls_certificate.empty() != options.tls_private_key.empty()) {
    return absl::InvalidArgumentError(
        "'tls_certificate' and 'tls_private_key' belong together");
  }
  if (options.tls) return absl::OkStatus();
  if (options.tls_root_certificates.empty() &&
      options.tls_certificate.empty() && options.tls_server_name.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("certificates are of no use without 'tls'");
}

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(
    const ServerOptions& options) {
  if (!options.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = options.tls_root_certificates;
  ssl.pem_cert_chain = options.tls_certificate;
  ssl.pem_private_key = options.tls_private_key;
  return grpc::SslCredentials(ssl);
}

grpc::ChannelArguments ArgumentsOf(const ServerOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMsMin);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMsMin * 10);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMsMax);
  // Connections of one process to a server are not shared: a stream whose
  // server does not read would hold up the others'.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (!options.tls_server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls_server_name);
  }
  return arguments;
}

}  // namespace

bool IsFinal(const absl::Status& status) {
  if (!status.GetPayload(kErrorCode).has_value()) return false;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return true;
    default:
      return false;
  }
}

absl::Status FromGrpc(const grpc::Status& status,
                      const grpc::ClientContext& context) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
  const auto& metadata = context.GetServerTrailingMetadata();
  if (const auto found = metadata.find(kErrorCode); found != metadata.end()) {
    result.SetPayload(kErrorCode,
                      absl::Cord(absl::string_view(found->second.data(),
                                                   found->second.size())));
  }
  return result;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Make(
    const ServerOptions& options) {
  if (options.address.empty()) {
    return absl::InvalidArgumentError("'address' is empty");
  }
  RETURN_IF_ERROR(CheckTls(options));
  ASSIGN_OR_RETURN(std::string authorization, AuthorizationOf(options));
  return std::unique_ptr<Connection>(new Connection(
      grpc::CreateCustomChannel(options.address, CredentialsOf(options),
                                ArgumentsOf(options)),
      std::move(authorization)));
}

Connection::Connection(std::shared_ptr<grpc::Channel> channel,
                       std::string authorization)
    : channel_(std::move(channel)), authorization_(std::move(authorization)) {}

Connection::~Connection() = default;

void Connection::Authorize(grpc::ClientContext* context) const {
  if (authorization_.empty()) return;
  context->AddMetadata("authorization", authorization_);
}

absl::Status Connection::Call(const std::string& method,
                              const MessageLite& request, MessageLite* response,
                              absl::Duration timeout, bool patient) {
  const absl::Status status =
      Ask(kPackage + method, request, response, timeout, patient);
  if (!patient || !absl::IsDeadlineExceeded(status)) return status;
  const absl::Status reached = Reach();
  return absl::IsUnavailable(reached) ? reached : status;
}

absl::Status Connection::CallSerialized(const std::string& method,
                                        const std::string& request,
                                        absl::Duration timeout) {
  const grpc::Slice slice(request);
  grpc::ByteBuffer response;
  return Ask(kPackage + method, grpc::ByteBuffer(&slice, 1), &response, timeout,
             /*patient=*/false);
}

absl::Status Connection::Reach() {
  grpc::ByteBuffer response;
  const grpc::Slice nothing;
  return Ask(kHealth, grpc::ByteBuffer(&nothing, 1), &response, kHealthWait,
             /*patient=*/false);
}

template <typename Request, typename Response>
absl::Status Connection::Ask(const std::string& path, const Request& request,
                             Response* response, absl::Duration timeout,
                             bool patient) {
  grpc::ClientContext context;
  Authorize(&context);
  context.set_wait_for_ready(patient);
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  {
    absl::MutexLock lock(&mutex_);
    if (shut_down_) return absl::CancelledError("the writer is closed");
    calls_.insert(&context);
  }
  grpc::TemplatedGenericStub<Request, Response> stub(channel_);
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, path, grpc::StubOptions(), &request, response,
                 [&](grpc::Status result) {
                   status = std::move(result);
                   done.Notify();
                 });
  done.WaitForNotification();
  absl::MutexLock lock(&mutex_);
  calls_.erase(&context);
  return FromGrpc(status, context);
}

void Connection::Shutdown() {
  absl::MutexLock lock(&mutex_);
  shut_down_ = true;
  for (grpc::ClientContext* context : calls_) context->TryCancel();
}

}  // namespace millstream::client
