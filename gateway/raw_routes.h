// Every route that is no rpc: the probes, the UI's files, and short answers of
// the parts of MLflow that this server does not have.
#ifndef MILLSTREAM_GATEWAY_RAW_ROUTES_H_
#define MILLSTREAM_GATEWAY_RAW_ROUTES_H_

#include "gateway/rest_options.h"
#include "gateway/route_table.h"

namespace millstream::gateway {

// Version of MLflow whose interface the server has, as /version gives it.
// Clients send spans by OTLP to 3.4 and later.
inline constexpr char kMlflowVersion[] = "3.17.2";

// Where Prometheus asks.
inline constexpr char kMonitorPath[] = "/metrics";

// Adds them below options.static_prefix.
void AddRawRoutes(const RestOptions& options, RouteTableBuilder* routes);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_RAW_ROUTES_H_
