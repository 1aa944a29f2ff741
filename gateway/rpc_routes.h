// Routes of the rpcs, read from their options.
#ifndef MILLSTREAM_GATEWAY_RPC_ROUTES_H_
#define MILLSTREAM_GATEWAY_RPC_ROUTES_H_

#include <string_view>

#include "gateway/route_table.h"
#include "server/dispatcher.h"

namespace millstream::gateway {

// Adds the endpoints of all methods of `dispatcher` (options.proto says where
// they lie), below `static_prefix`. Faults are those of RouteTableBuilder, and
// variables that the request has no field for.
void AddRpcRoutes(std::string_view static_prefix,
                  server::Dispatcher* dispatcher, RouteTableBuilder* routes);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_RPC_ROUTES_H_
