// The server's routes as text: for a golden file that shows every change, and
// for docs/api_coverage.md.
#ifndef MILLSTREAM_GATEWAY_ROUTE_LIST_H_
#define MILLSTREAM_GATEWAY_ROUTE_LIST_H_

#include <string>

namespace millstream::gateway {

// "METHOD path -> Service.Rpc", or the name of a raw route, one a line, sorted
// by path. Without a static prefix.
std::string ListRoutes();

// docs/api_coverage.md.
std::string ApiCoverage();

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_ROUTE_LIST_H_
