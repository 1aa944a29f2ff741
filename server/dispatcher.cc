#include "server/dispatcher.h"

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "server/authorizer.h"
#include "server/call_monitor.h"
#include "server/required_fields.h"
#include "server/stream_guard.h"

namespace millstream::server {
namespace {

// Whether an error is an answer, for its caller and not for the log: a route
// that there is nothing behind is no fault of ours either.
bool IsAnswer(const absl::Status& status, v1::ErrorCode code) {
  return HasErrorCode(status) && (GetErrorTraits(code).http_status() < 500 ||
                                  code == v1::NOT_IMPLEMENTED);
}

// Whether a failed call is nobody's fault: its caller no longer waits.
bool IsAbandoned(v1::ErrorCode code) {
  return code == v1::CANCELLED || code == v1::DEADLINE_EXCEEDED;
}

// Whom a line in the log names.
struct Caller {
  explicit Caller(const CallContext& context)
      : peer(context.peer()),
        user(context.identity() == nullptr ? "" : context.identity()->user),
        request_id(context.request_id()) {}
  std::string peer;
  std::string user;
  std::string request_id;
};

// Sees every outcome, of calls and of what streams through them: errors of ours
// go to the log, and leave with a text that tells nothing of them.
absl::Status Leave(const Method& method, const Caller& caller,
                   absl::Status status) {
  if (status.ok()) return status;
  const v1::ErrorCode code = GetErrorCode(status);
  if (IsAnswer(status, code)) return status;
  if (!IsAbandoned(code)) {
    const std::string text = status.ToString();
    LogEvent(Severity::kError, "A call failed.",
             {{"call", std::string_view(method.descriptor->full_name())},
              {"error", text},
              {"peer", caller.peer},
              {"user", caller.user},
              {"request_id", caller.request_id}});
  }
  return MakeError(code, GetPublicMessage(status));
}

absl::Status Leave(const Method& method, const CallContext& context,
                   absl::Status status) {
  if (status.ok()) return status;
  return Leave(method, Caller(context), std::move(status));
}

class LeavingSource final : public ByteSource {
 public:
  LeavingSource(const Method& method, const CallContext& context,
                std::unique_ptr<ByteSource> source)
      : method_(method), caller_(context), source_(std::move(source)) {}

  absl::StatusOr<size_t> Read(std::span<char> buffer) override {
    absl::StatusOr<size_t> read = source_->Read(buffer);
    if (read.ok()) return read;
    return Leave(method_, caller_, std::move(read).status());
  }
  // Whoever asks finds another way if it cannot.
  absl::Status Seek(int64_t offset) override { return source_->Seek(offset); }

 private:
  const Method& method_;
  const Caller caller_;
  const std::unique_ptr<ByteSource> source_;
};

class LeavingSink final : public ByteSink {
 public:
  LeavingSink(const Method& method, const CallContext& context,
              std::unique_ptr<ByteSink> sink)
      : method_(method), caller_(context), sink_(std::move(sink)) {}

  absl::Status Write(std::string_view data) override {
    return Leave(method_, caller_, sink_->Write(data));
  }
  absl::Status Finish() override {
    return Leave(method_, caller_, sink_->Finish());
  }

 private:
  const Method& method_;
  const Caller caller_;
  const std::unique_ptr<ByteSink> sink_;
};

}  // namespace

Dispatcher::Dispatcher(const MethodTable* methods, IngestBudget* budget,
                       auth::Gate* gate, Authorizer* authorizer,
                       CallMonitor* monitor)
    : methods_(methods),
      budget_(budget),
      gate_(gate),
      authorizer_(authorizer),
      monitor_(monitor) {
  if (gate != nullptr) {
    guard_ = std::make_unique<StreamGuard>(gate, authorizer);
  }
}

Dispatcher::~Dispatcher() = default;

absl::Status Dispatcher::Count(const CallContext& context,
                               const Method& method,
                               absl::Status status) const {
  if (monitor_ != nullptr) {
    monitor_->Ended(method, context.door(), status,
                    absl::Now() - context.begun());
  }
  return status;
}

absl::Status Dispatcher::Admit(const CallContext& context,
                               const Method& method) const {
  RETURN_IF_ERROR(context.Alive());
  if (gate_ != nullptr && !method.access->open() &&
      context.identity() == nullptr) {
    return auth::NoCredentials();
  }
  return absl::OkStatus();
}

bool Dispatcher::Asks(const CallContext& context) const {
  return authorizer_ != nullptr && context.identity() != nullptr;
}

absl::Status Dispatcher::Enter(CallContext& context, const Method& method,
                               const Message& request) {
  RETURN_IF_ERROR(Admit(context, method));
  if (method.has_required_fields) {
    RETURN_IF_ERROR(CheckRequiredFields(request));
  }
  if (Asks(context)) {
    RETURN_IF_ERROR(authorizer_->Check(context.identity()->user,
                                       *method.access, request));
  }
  return absl::OkStatus();
}

absl::Status Dispatcher::Call(CallContext& context, const Method& method,
                              const Message& request, Message* response) {
  absl::Status status = Enter(context, method, request);
  if (status.ok() && Asks(context)) {
    status = authorizer_->Call(
        context.identity()->user, *method.access, request, response,
        [&](const Message& asked, Message* answer) {
          return Run(context, method, asked, answer);
        });
  } else if (status.ok()) {
    status = Run(context, method, request, response);
  }
  return Count(context, method,
               Leave(method, context, std::move(status)));
}

absl::Status Dispatcher::Run(CallContext& context, const Method& method,
                             const Message& request, Message* response) {
  if (!method.ingests || budget_ == nullptr) {
    return method.unary(context, request, response);
  }
  const size_t bytes = context.request_bytes();
  if (!budget_->TryTake(bytes)) {
    return MakeError(v1::RESOURCE_EXHAUSTED,
                     "More writes wait for the disk than the server takes; try "
                     "again in a second.");
  }
  absl::Status status = method.unary(context, request, response);
  budget_->Give(bytes);
  return status;
}

absl::StatusOr<std::shared_ptr<StreamBody>> Dispatcher::OpenStream(
    CallContext& context, const Method& method) {
  absl::Status status = Admit(context, method);
  if (status.ok()) {
    absl::StatusOr<std::shared_ptr<StreamBody>> body = method.stream(context);
    if (body.ok() && guard_ != nullptr && context.identity() != nullptr) {
      return guard_->Guard(*std::move(body), &context, *method.access);
    }
    if (body.ok()) return body;
    status = std::move(body).status();
  }
  return Leave(method, context, std::move(status));
}

absl::Status Dispatcher::EndStream(const CallContext& context,
                                   const Method& method, absl::Status status) {
  if (context.refusal() != nullptr && !context.refusal()->Get().ok()) {
    status = context.refusal()->Get();
  }
  status = Leave(method, context, std::move(status));
  if (monitor_ != nullptr) monitor_->StreamEnded(method, status);
  return status;
}

absl::StatusOr<Download> Dispatcher::OpenDownload(CallContext& context,
                                                  const Method& method,
                                                  const Message& request) {
  absl::Status status = Enter(context, method, request);
  if (status.ok()) {
    absl::StatusOr<Download> download = method.download(context, request);
    if (download.ok()) {
      download->source = std::make_unique<LeavingSource>(
          method, context, std::move(download->source));
      Count(context, method, absl::OkStatus()).IgnoreError();
      return download;
    }
    status = std::move(download).status();
  }
  return Count(context, method,
               Leave(method, context, std::move(status)));
}

absl::StatusOr<Upload> Dispatcher::OpenUpload(CallContext& context,
                                              const Method& method,
                                              const Message& first) {
  absl::Status status = Enter(context, method, first);
  if (status.ok()) {
    absl::StatusOr<Upload> upload = method.upload(context, first);
    if (upload.ok()) {
      upload->sink = std::make_unique<LeavingSink>(method, context,
                                                   std::move(upload->sink));
      Count(context, method, absl::OkStatus()).IgnoreError();
      return upload;
    }
    status = std::move(upload).status();
  }
  return Count(context, method,
               Leave(method, context, std::move(status)));
}

}  // namespace millstream::server
