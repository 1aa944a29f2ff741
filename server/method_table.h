// Which C++ method serves which rpc. Built once at start, then immutable.
#ifndef MILLSTREAM_SERVER_METHOD_TABLE_H_
#define MILLSTREAM_SERVER_METHOD_TABLE_H_

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "millstream/v1/options.pb.h"
#include "server/call_context.h"
#include "server/stream.h"
#include "server/transfer.h"

namespace millstream::server {

using google::protobuf::Message;

// One rpc with its handler. Exactly one of the four handlers is set, by the
// shape of the rpc: unary; a file as a stream of answers (download) or of
// requests (upload); messages that go both ways, or come for as long as the
// caller wants (stream). Handlers are called from many threads at once; the
// first three never see a request whose required fields are missing.
struct Method {
  const google::protobuf::MethodDescriptor* descriptor = nullptr;
  // Prototypes; live as long as the program.
  const Message* request_type = nullptr;
  const Message* response_type = nullptr;

  std::function<absl::Status(CallContext&, const Message&, Message*)> unary;
  std::function<absl::StatusOr<Download>(CallContext&, const Message&)>
      download;
  // The message is the first of the stream; its data is not looked at.
  std::function<absl::StatusOr<Upload>(CallContext&, const Message&)> upload;
  // Must not block.
  std::function<absl::StatusOr<std::shared_ptr<StreamBody>>(CallContext&)>
      stream;

  // It brings what is to be kept: counted in the ingest budget.
  bool ingests = false;

  // Who may call it; lives as long as the program.
  const v1::Access* access = &v1::Access::default_instance();

  // Whether there are any for Dispatcher to check.
  bool has_required_fields = false;
};

// Thread-safe once built. The services it was built with must outlive it.
class MethodTable {
 public:
  // Bind rpc `rpc` of the service being built to a member function of
  // `service`; message types are those of the function. A name that is no rpc
  // of that shape is a fault that Check() reports.
  template <typename S, typename Q, typename R>
  void Unary(std::string_view rpc, S* service,
             absl::Status (S::*handler)(CallContext&, const Q&, R*)) {
    Method& method = Add(rpc, Q::default_instance(), R::default_instance());
    method.unary = [service, handler](CallContext& context,
                                      const Message& request,
                                      Message* response) {
      return (service->*handler)(context, static_cast<const Q&>(request),
                                 static_cast<R*>(response));
    };
  }
  template <typename S, typename Q>
  void Downloads(std::string_view rpc, S* service,
                 absl::StatusOr<Download> (S::*handler)(CallContext&,
                                                        const Q&)) {
    Method& method = AddStreaming(rpc, Q::default_instance());
    method.download = [service, handler](CallContext& context,
                                         const Message& request) {
      return (service->*handler)(context, static_cast<const Q&>(request));
    };
  }
  template <typename S, typename Q>
  void Uploads(std::string_view rpc, S* service,
               absl::StatusOr<Upload> (S::*handler)(CallContext&, const Q&)) {
    Method& method = AddStreaming(rpc, Q::default_instance());
    method.upload = [service, handler](CallContext& context,
                                       const Message& request) {
      return (service->*handler)(context, static_cast<const Q&>(request));
    };
  }

  template <typename S>
  void Streams(std::string_view rpc, S* service,
               absl::StatusOr<std::shared_ptr<StreamBody>> (S::*handler)(
                   CallContext&)) {
    Method& method = AddStreaming(rpc, RequestOf(rpc));
    method.stream = [service, handler](CallContext& context) {
      return (service->*handler)(context);
    };
  }

  // Rpc `name`, added before, brings what is to be kept.
  void Ingests(std::string_view rpc);

  // The service that the rpcs bound from now on belong to.
  void Service(const google::protobuf::ServiceDescriptor* service) {
    service_ = service;
    services_.push_back(service);
  }

  // INTERNAL, naming them, if an rpc of the given services has no handler, or
  // a handler's rpc, message types or shape do not fit. The server does not
  // start then.
  absl::Status Check() const;

  // Null if there is none.
  const Method* Find(
      const google::protobuf::MethodDescriptor* descriptor) const;

  const std::vector<const google::protobuf::ServiceDescriptor*>& services()
      const {
    return services_;
  }
  // In the order of the .proto files.
  std::vector<const Method*> methods() const;

 private:
  Method& Add(std::string_view rpc, const Message& request,
              const Message& response);
  Method& AddStreaming(std::string_view rpc, const Message& request);
  // The rpc's own request type; any, if there is no such rpc.
  const Message& RequestOf(std::string_view rpc) const;

  const google::protobuf::ServiceDescriptor* service_ = nullptr;
  std::vector<const google::protobuf::ServiceDescriptor*> services_;
  absl::flat_hash_map<const google::protobuf::MethodDescriptor*,
                      std::unique_ptr<Method>>
      methods_;
  // Faults found while adding; Check() reports them.
  std::vector<std::string> faults_;
};

}  // namespace millstream::server

#endif  // MILLSTREAM_SERVER_METHOD_TABLE_H_
