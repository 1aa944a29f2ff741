// The one way into the services. Both doors, and every raw route that shows
// data, call this and nothing else; whatever must hold for each call is done
// here, in one function.
#ifndef MILLSTREAM_SERVER_DISPATCHER_H_
#define MILLSTREAM_SERVER_DISPATCHER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/call_context.h"
#include "server/method_table.h"
#include "server/transfer.h"

namespace millstream::server {

// Thread-safe. Calls block until the answer is known: for a write, until it is
// durable at the server's level.
//
// Every Status that comes out of here, from the streams that it opens too,
// carries an ErrorCode; faults of ours are in the log by then, and their text
// is in no Status.
class Dispatcher {
 public:
  // `methods` must have passed MethodTable::Check() and outlive this.
  explicit Dispatcher(const MethodTable* methods);

  const MethodTable& methods() const { return *methods_; }

  // Runs a unary rpc. On error `response` is unspecified.
  // REQUIRES: the messages are of the method's types.
  absl::Status Call(CallContext& context, const Method& method,
                    const Message& request, Message* response);

  // Opens an rpc that answers with a stream of ArtifactChunk. The method table
  // outlives the result.
  absl::StatusOr<Download> OpenDownload(CallContext& context,
                                        const Method& method,
                                        const Message& request);

  // Opens an rpc that takes a stream of requests; `first` is the first. As
  // above.
  absl::StatusOr<Upload> OpenUpload(CallContext& context, const Method& method,
                                    const Message& first);

 private:
  // What precedes every handler.
  absl::Status Enter(CallContext& context, const Method& method,
                     const Message& request);

  const MethodTable* const methods_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_DISPATCHER_H_
