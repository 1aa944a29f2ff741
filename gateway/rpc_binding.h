// What the handlers of unary and of streaming rpcs share.
#ifndef MILLSTREAM_GATEWAY_RPC_BINDING_H_
#define MILLSTREAM_GATEWAY_RPC_BINDING_H_

#include <string>

#include "absl/status/status.h"
#include "gateway/handler.h"
#include "gateway/json/message_table.h"
#include "google/protobuf/message.h"
#include "server/call_context.h"
#include "server/method_table.h"

namespace millstream::gateway {

// All functions are thread-safe.

// "TrackingService.CreateRun".
std::string RpcName(const server::Method& method);

// What the dispatcher is told of a request. HTTP knows no deadlines, so the
// call's is limits::kHttpCallMsMax from now.
void FillContext(const Request& request, server::CallContext* context);

// INVALID_PARAMETER_VALUE unless the body is said to be JSON.
absl::Status CheckJsonType(const RequestHead& head);

// Sets the fields that the path's variables name.
// INVALID_PARAMETER_VALUE for a value that does not fit its field.
absl::Status BindVariables(const PathVariables& variables,
                           const MessageTable& table,
                           google::protobuf::Message* message);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_RPC_BINDING_H_
