#include "gateway/rpc_routes.h"

#include <memory>
#include <string>
#include <vector>

#include "base/str_cat.h"
#include "gateway/json/message_table.h"
#include "gateway/rpc_binding.h"
#include "gateway/unary_handler.h"
#include "millstream/v1/options.pb.h"

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

}  // namespace

void AddRpcRoutes(std::string_view static_prefix,
                  server::Dispatcher* dispatcher, RouteTableBuilder* routes) {
  for (const server::Method* method : dispatcher->methods().methods()) {
    const v1::HttpRule& rule =
        method->descriptor->options().GetExtension(v1::http);
    if (method->unary == nullptr) continue;
    for (const v1::Endpoint& endpoint : rule.endpoints()) {
      const std::shared_ptr<const Handler> handler =
          MakeUnaryHandler(dispatcher, *method, rule, endpoint);
      for (const std::string& path : PathsOf(endpoint)) {
        routes->AddBound(endpoint.method(), StrCat(static_prefix, path),
                         MessageTable::Of(
                             method->request_type->GetDescriptor()),
                         handler);
      }
    }
  }
}

}  // namespace millstream::gateway
