// Routes of the rpcs, read from their options.
#ifndef MILLSTREAM_GATEWAY_RPC_ROUTES_H_
#define MILLSTREAM_GATEWAY_RPC_ROUTES_H_

#include <string>
#include <string_view>
#include <vector>

#include "gateway/route_table.h"
#include "gateway/transfer_handlers.h"
#include "google/protobuf/descriptor.h"
#include "millstream/v1/options.pb.h"
#include "server/dispatcher.h"

namespace millstream::gateway {

// One way to reach an rpc.
struct RpcRoute {
  // Lives as long as the program.
  const v1::Endpoint* endpoint;
  std::string path;
  RouteForm form;
};

// The routes of `rpc` below `static_prefix`, as its option says
// (options.proto).
// Thread-safe.
std::vector<RpcRoute> RoutesOf(
    std::string_view static_prefix,
    const google::protobuf::MethodDescriptor& rpc);

// Adds the routes of all methods of `dispatcher`. Faults are those of
// RouteTableBuilder, and variables that the request has no field for.
void AddRpcRoutes(std::string_view static_prefix,
                  server::Dispatcher* dispatcher, RouteTableBuilder* routes);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_RPC_ROUTES_H_
