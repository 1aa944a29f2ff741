#include "server/grpc_door_call.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/proto_buffer_writer.h"
#include "server/request_items.h"

namespace millstream::server {

using grpc::ByteBuffer;

constexpr char kErrorCodeMetadata[] = "millstream-error-code";
constexpr char kRequestIdMetadata[] = "x-request-id";

bool Parse(ByteBuffer* bytes, Message* message) {
  // An item takes two bytes at least.
  if (bytes->Length() > 2u * limits::kRequestItemsMax) {
    grpc::ProtoBufferReader counted(bytes);
    if (!counted.status().ok() ||
        HasTooManyItems(*message->GetDescriptor(), &counted)) {
      return false;
    }
  }
  grpc::ProtoBufferReader reader(bytes);
  return reader.status().ok() && message->ParseFromZeroCopyStream(&reader);
}

ByteBuffer Serialize(const Message& message) {
  ByteBuffer bytes;
  const size_t size = message.ByteSizeLong();
  // Closes on destruction, before `bytes` is used.
  {
    grpc::ProtoBufferWriter writer(&bytes, static_cast<int>(size + 1),
                                   static_cast<int>(size));
    message.SerializeToZeroCopyStream(&writer);
  }
  return bytes;
}

absl::Status UnreadableRequest(const Method& method) {
  return MakeError(v1::BAD_REQUEST,
                   absl::StrCat("The request is no well-formed ",
                                method.descriptor->input_type()->full_name(),
                                "; strings must be UTF-8, and lists have at "
                                "most ",
                                limits::kRequestItemsMax, " items in all."));
}

absl::Status Overloaded() {
  return MakeError(v1::RESOURCE_EXHAUSTED,
                   "The server has more calls waiting than it takes; try "
                   "again later.");
}

void StrangersReads::Begin(grpc::CallbackServerContext* call) {
  absl::MutexLock lock(&mutex_);
  if (calls_.size() >= count_) {
    // It is there still, since its read has not ended. gRPC calls nobody back
    // before this returns.
    calls_.front()->TryCancel();
    calls_.pop_front();
  }
  calls_.push_back(call);
}

void StrangersReads::End(grpc::CallbackServerContext* call) {
  absl::MutexLock lock(&mutex_);
  const auto found = std::find(calls_.begin(), calls_.end(), call);
  if (found != calls_.end()) calls_.erase(found);
}

namespace {

grpc::Status ToGrpc(grpc::CallbackServerContext* context,
                    const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const v1::ErrorCode code = GetErrorCode(status);
  const auto grpc_code =
      static_cast<grpc::StatusCode>(GetErrorTraits(code).grpc_code());
  const std::string message(GetPublicMessage(status));
  context->AddTrailingMetadata(kErrorCodeMetadata, GetErrorName(code));
  v1::ErrorDetail detail;
  detail.set_error_code(code);
  v1::StatusDetails details;
  details.set_code(grpc_code);
  details.set_message(message);
  details.add_details()->PackFrom(detail);
  return grpc::Status(grpc_code, message, details.SerializeAsString());
}

// Whose call it is: its peer, or whom a proxy names.
std::string PeerOf(const grpc::CallbackServerContext& grpc,
                   const DoorParts& door) {
  std::string peer = grpc.peer();
  if (door.caller_of == nullptr) return peer;
  std::string hops;
  const auto [begin, end] =
      grpc.client_metadata().equal_range("x-forwarded-for");
  for (auto each = begin; each != end; ++each) {
    absl::StrAppend(&hops, hops.empty() ? "" : ",",
                    absl::string_view(each->second.data(),
                                      each->second.size()));
  }
  if (hops.empty()) return peer;
  return door.caller_of(auth::HostOf(peer), hops).value_or(peer);
}

}  // namespace

Call::Call(grpc::CallbackServerContext* grpc, const DoorParts& door,
           const Method* method)
    : door_(door),
      grpc_(grpc),
      dispatcher_(door.dispatcher),
      pool_(door.pool),
      method_(method),
      guarded_(door.connections->Begin(grpc->peer())),
      of_stranger_(door.dispatcher->gate() != nullptr &&
                   method->access->open()) {
  context_.set_peer(PeerOf(*grpc, door));
  if (const auto id = grpc->client_metadata().find(kRequestIdMetadata);
      id != grpc->client_metadata().end() &&
      id->second.size() <= limits::kRequestIdLengthMax) {
    context_.set_request_id(std::string(id->second.data(), id->second.size()));
  }
  if (grpc->deadline() != std::chrono::system_clock::time_point::max()) {
    context_.set_deadline(absl::FromChrono(grpc->deadline()));
  }
}

void Call::Introduce(std::function<void(const absl::Status&)> next) {
  auth::Gate* gate = dispatcher_->gate();
  if (gate == nullptr || method_->access->open()) {
    next(absl::OkStatus());
    return;
  }
  const auto& metadata = grpc_->client_metadata();
  const auto found = metadata.find("authorization");
  std::string_view authorization;
  if (found != metadata.end()) {
    authorization = {found->second.data(), found->second.size()};
  }
  const auto take = [this](auth::Verdict verdict) {
    if (verdict.ok()) context_.set_identity(*std::move(verdict));
    return verdict.status();
  };
  if (std::optional<auth::Verdict> verdict = gate->Recall(authorization)) {
    next(take(*std::move(verdict)));
    return;
  }
  gate->Check(authorization, context_.peer(),
              [take, next = std::move(next)](auth::Verdict verdict) {
                next(take(std::move(verdict)));
              });
}

grpc::Status Call::Leave(const absl::Status& status) {
  if (door_.access_log) {
    LogEvent(
        Severity::kInfo, "call",
        {{"rpc", std::string_view(method_->descriptor->full_name())},
         {"code", status.ok() ? std::string_view("OK")
                              : std::string_view(
                                    GetErrorName(GetErrorCode(status)))},
         {"ms", absl::ToDoubleMilliseconds(absl::Now() - context_.begun())},
         {"peer", context_.peer()},
         {"request_id", context_.request_id()}});
  }
  return ToGrpc(grpc_, status);
}

void Call::ReadBegins() {
  guarded_.ReadBegins();
  if (of_stranger_) door_.strangers->Begin(grpc_);
}

void Call::ReadEnds(size_t bytes) {
  guarded_.ReadEnds(bytes);
  if (of_stranger_) door_.strangers->End(grpc_);
}

void TurnsCall::Post(std::function<void()> step) {
  if (!pool_->Post(std::move(step))) End(Overloaded());
}

void TurnsCall::End(const absl::Status& status) {
  Close();
  Finish(Leave(status));
}

void TurnsCall::Answer() {
  Close();
  StartWriteAndFinish(&outgoing_, grpc::WriteOptions(),
                      Leave(absl::OkStatus()));
}

absl::Status TurnsCall::Present() const {
  if (absl::Status alive = context_.Alive(); !alive.ok()) return alive;
  return grpc_->IsCancelled() ? absl::CancelledError("cancelled")
                              : absl::OkStatus();
}

}  // namespace millstream::server
