#include "gateway/rpc_binding.h"

#include <optional>
#include <string_view>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "gateway/json/scalar_text.h"

namespace millstream::gateway {

std::string RpcName(const server::Method& method) {
  return StrCat(method.descriptor->service()->name(), ".",
                method.descriptor->name());
}

void FillContext(const Request& request, server::CallContext* context) {
  context->set_peer(request.peer);
  context->set_identity(request.identity);
  context->set_base_url(request.base_url);
  context->set_request_id(std::string(request.id));
  context->set_deadline(absl::Now() +
                        absl::Milliseconds(limits::kHttpCallMsMax));
  context->set_caller(request.caller);
}

absl::Status CheckJsonType(const RequestHead& head) {
  const std::optional<std::string_view> type = head.Header("content-type");
  if (!type.has_value()) {
    return InvalidParameter(
        "The Content-Type header is missing; it must be application/json.");
  }
  // As the reference does, with an eye for case and not for parameters.
  if (type->substr(0, type->find(';')) != "application/json") {
    return InvalidParameter("The Content-Type must be application/json.");
  }
  return absl::OkStatus();
}

absl::Status BindVariables(const PathVariables& variables,
                           const MessageTable& table,
                           google::protobuf::Message* message) {
  for (const auto& [name, value] : variables) {
    RETURN_IF_ERROR(SetFromText(*table.FindByName(name), value, name,
                                Append::kNo, message));
  }
  return absl::OkStatus();
}

}  // namespace millstream::gateway
