// Rpcs that stream files, over HTTP: a download's bytes are the answer's body,
// an upload's are the request's.
#ifndef MILLSTREAM_GATEWAY_TRANSFER_HANDLERS_H_
#define MILLSTREAM_GATEWAY_TRANSFER_HANDLERS_H_

#include <memory>

#include "gateway/handler.h"
#include "millstream/v1/options.pb.h"
#include "server/dispatcher.h"

namespace millstream::gateway {

// How a route looks beside others of the same endpoint.
enum class RouteForm {
  kOrdinary,
  // Endpoint.native, where the reference serves it natively: without a static
  // prefix before it.
  kNative,
};

// Handlers for one endpoint of an rpc that answers with a stream, and of one
// that takes a stream. Both bind the query and the path's variables.
// `dispatcher` and `method` must outlive them.
std::shared_ptr<const Handler> MakeDownloadHandler(
    server::Dispatcher* dispatcher, const server::Method& method,
    const v1::Endpoint& endpoint, RouteForm form);
std::shared_ptr<const Handler> MakeUploadHandler(
    server::Dispatcher* dispatcher, const server::Method& method,
    const v1::Endpoint& endpoint, RouteForm form);

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_TRANSFER_HANDLERS_H_
