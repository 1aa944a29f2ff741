// The one way into the services. Both doors, and every raw route that shows
// data, call this and nothing else; whatever must hold for each call is done
// here, in one function.
#ifndef MILLSTREAM_SERVER_DISPATCHER_H_
#define MILLSTREAM_SERVER_DISPATCHER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "auth/gate.h"
#include "server/call_context.h"
#include "server/ingest_budget.h"
#include "server/method_table.h"
#include "server/stream.h"
#include "server/transfer.h"

namespace millstream::server {

class Authorizer;
class CallMonitor;
class StreamGuard;

// Thread-safe. Calls block until the answer is known: for a write, until it is
// durable at the server's level.
//
// Where there is a gate, every call but those of open rpcs must bring an
// identity. Doors ask the gate for it, because a password takes a while to
// check; that they have is checked here.
//
// Where there is an authorizer, it is asked for each call of a known caller and
// for each message that a stream parses. Streams end soon after their callers
// have lost what let them in.
//
// Every Status that comes out of here, from the streams that it opens too,
// carries an ErrorCode; faults of ours are in the log by then, and their text
// is in no Status.
class Dispatcher {
 public:
  // `methods` must have passed MethodTable::Check(). All must outlive this.
  // Without a budget, what calls bring is not limited; without a gate, callers
  // are not asked who they are; without an authorizer, those who are known may
  // do all; without a monitor, nothing is counted.
  explicit Dispatcher(const MethodTable* methods,
                      IngestBudget* budget = nullptr,
                      auth::Gate* gate = nullptr,
                      Authorizer* authorizer = nullptr,
                      CallMonitor* monitor = nullptr);
  // When the streams that it opened have ended.
  ~Dispatcher();

  const MethodTable& methods() const { return *methods_; }
  // Null if callers are not asked.
  auth::Gate* gate() const { return gate_; }

  // Runs a unary rpc. On error `response` is unspecified. RESOURCE_EXHAUSTED,
  // and nothing is done: the rpc writes, and more waits to be kept than the
  // server takes.
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

  // Opens an rpc that streams messages. Does not block.
  absl::StatusOr<std::shared_ptr<StreamBody>> OpenStream(CallContext& context,
                                                         const Method& method);
  // The stream has ended so: returns what the caller is told.
  absl::Status EndStream(const CallContext& context, const Method& method,
                         absl::Status status);

 private:
  // Whether the caller may come in at all.
  absl::Status Admit(const CallContext& context, const Method& method) const;
  // Whether permissions decide what the caller may do.
  bool Asks(const CallContext& context) const;
  // What precedes every handler.
  absl::Status Enter(CallContext& context, const Method& method,
                     const Message& request);
  // The handler of a unary rpc, within the budget.
  absl::Status Run(CallContext& context, const Method& method,
                   const Message& request, Message* response);

  // Has the monitor count a call that has ended so; returns `status`.
  absl::Status Count(const CallContext& context, const Method& method,
                     absl::Status status) const;

  const MethodTable* const methods_;
  IngestBudget* const budget_;
  auth::Gate* const gate_;
  Authorizer* const authorizer_;
  CallMonitor* const monitor_;
  // Null without a gate.
  std::unique_ptr<StreamGuard> guard_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_DISPATCHER_H_
