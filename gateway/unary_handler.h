// Unary rpcs over HTTP.
#ifndef MILLSTREAM_GATEWAY_UNARY_HANDLER_H_
#define MILLSTREAM_GATEWAY_UNARY_HANDLER_H_

#include <memory>
#include <string>

#include "gateway/handler.h"
#include "millstream/v1/options.pb.h"
#include "server/dispatcher.h"

namespace millstream::gateway {

// The handler of one endpoint of a unary rpc: GET binds the query, or a JSON
// body if there is no query; other methods bind the JSON body; both bind the
// path's variables. Answers the response as JSON. `dispatcher` and `method`
// must outlive it.
std::shared_ptr<const Handler> MakeUnaryHandler(
    server::Dispatcher* dispatcher, const server::Method& method,
    const v1::Endpoint& endpoint);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_UNARY_HANDLER_H_
