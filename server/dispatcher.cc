#include "server/dispatcher.h"

#include <exception>

#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "server/required_fields.h"

namespace millstream::server {

Dispatcher::Dispatcher(const MethodTable* methods) : methods_(methods) {}

absl::Status Dispatcher::Enter(CallContext& context, const Method& method,
                               const Message& request) {
  RETURN_IF_ERROR(context.Alive());
  if (method.has_required_fields) {
    RETURN_IF_ERROR(CheckRequiredFields(request));
  }
  return absl::OkStatus();
}

absl::Status Dispatcher::Leave(const CallContext& context,
                               const Method& method, absl::Status status) {
  if (status.ok()) return status;
  const v1::ErrorCode code = GetErrorCode(status);
  if (GetErrorTraits(code).http_status() < 500) return status;
  LogError(method.descriptor->full_name(), " from ", context.peer(), ": ",
           status.ToString());
  return MakeError(code, GetPublicMessage(status));
}

absl::Status Dispatcher::Call(CallContext& context, const Method& method,
                              const Message& request, Message* response) {
  absl::Status status = Enter(context, method, request);
  if (status.ok()) status = method.unary(context, request, response);
  return Leave(context, method, std::move(status));
}

absl::StatusOr<Download> Dispatcher::OpenDownload(CallContext& context,
                                                  const Method& method,
                                                  const Message& request) {
  absl::Status status = Enter(context, method, request);
  if (status.ok()) {
    absl::StatusOr<Download> download = method.download(context, request);
    if (download.ok()) return download;
    status = std::move(download).status();
  }
  return Leave(context, method, std::move(status));
}

absl::StatusOr<Upload> Dispatcher::OpenUpload(CallContext& context,
                                              const Method& method,
                                              const Message& first) {
  absl::Status status = Enter(context, method, first);
  if (status.ok()) {
    absl::StatusOr<Upload> upload = method.upload(context, first);
    if (upload.ok()) return upload;
    status = std::move(upload).status();
  }
  return Leave(context, method, std::move(status));
}

}  // namespace millstream::server
