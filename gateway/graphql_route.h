// The address of GraphQL.
#ifndef MILLSTREAM_GATEWAY_GRAPHQL_ROUTE_H_
#define MILLSTREAM_GATEWAY_GRAPHQL_ROUTE_H_

#include <string_view>

#include "gateway/route_table.h"
#include "server/dispatcher.h"

namespace millstream::gateway {

// Adds POST and GET of <prefix>/graphql; GET says that it wants to be posted.
// `dispatcher` must outlive the routes.
void AddGraphqlRoute(std::string_view prefix, server::Dispatcher* dispatcher,
                     RouteTableBuilder* routes);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_GRAPHQL_ROUTE_H_
