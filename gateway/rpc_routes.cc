#include "gateway/rpc_routes.h"

#include <memory>

#include "base/str_cat.h"
#include "gateway/json/message_table.h"
#include "gateway/rpc_binding.h"
#include "gateway/unary_handler.h"

namespace millstream::gateway {
namespace {

// Paths of an endpoint below the static prefix.
std::vector<std::string> PathsOf(const v1::Endpoint& endpoint) {
  const std::string versioned = StrCat(endpoint.since(), endpoint.path());
  switch (endpoint.prefix()) {
    case v1::AJAX_API:
      return {StrCat("/ajax-api/", versioned)};
    case v1::ROOT:
      return {endpoint.path()};
    default:
      return {StrCat("/api/", versioned), StrCat("/ajax-api/", versioned)};
  }
}

std::shared_ptr<const Handler> HandlerOf(server::Dispatcher* dispatcher,
                                         const server::Method& method,
                                         const RpcRoute& route) {
  if (method.download != nullptr) {
    return MakeDownloadHandler(dispatcher, method, *route.endpoint,
                               route.form);
  }
  if (method.upload != nullptr) {
    return MakeUploadHandler(dispatcher, method, *route.endpoint, route.form);
  }
  return MakeUnaryHandler(dispatcher, method, *route.endpoint);
}

}  // namespace

std::vector<RpcRoute> RoutesOf(
    std::string_view static_prefix,
    const google::protobuf::MethodDescriptor& rpc) {
  std::vector<RpcRoute> routes;
  for (const v1::Endpoint& endpoint :
       rpc.options().GetExtension(v1::http).endpoints()) {
    const auto add = [&](std::string_view prefix, RouteForm form) {
      for (const std::string& path : PathsOf(endpoint)) {
        routes.push_back({&endpoint, StrCat(prefix, path), form});
      }
    };
    if (endpoint.native()) add("", RouteForm::kNative);
    if (!endpoint.native() || !static_prefix.empty()) {
      add(static_prefix, RouteForm::kOrdinary);
    }
  }
  return routes;
}

void AddRpcRoutes(std::string_view static_prefix,
                  server::Dispatcher* dispatcher, RouteTableBuilder* routes) {
  for (const server::Method* method : dispatcher->methods().methods()) {
    const MessageTable& request =
        MessageTable::Of(method->request_type->GetDescriptor());
    for (const RpcRoute& route :
         RoutesOf(static_prefix, *method->descriptor)) {
      routes->AddBound(route.endpoint->method(), route.path, request,
                       HandlerOf(dispatcher, *method, route));
    }
  }
}

}  // namespace millstream::gateway
