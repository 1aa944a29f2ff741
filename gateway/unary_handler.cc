#include "gateway/unary_handler.h"

#include <array>

#include "base/status_macros.h"
#include "gateway/error_body.h"
#include "gateway/json/json_decoder.h"
#include "gateway/json/json_writer.h"
#include "gateway/json/message_table.h"
#include "gateway/rpc_binding.h"
#include "gateway/url.h"
#include "google/protobuf/arena.h"

namespace millstream::gateway {
namespace {

using google::protobuf::Arena;
using google::protobuf::ArenaOptions;
using google::protobuf::Message;

// First block of a call's arena, on the stack; most calls need no more.
constexpr size_t kArenaBytes = 8 * 1024;
// Later blocks double up to this: a page of history has some megabytes.
constexpr size_t kArenaBlockBytesMax = 256 * 1024;

class UnaryHandler final : public Handler {
 public:
  UnaryHandler(server::Dispatcher* dispatcher, const server::Method& method,
               const v1::Endpoint& endpoint)
      : dispatcher_(dispatcher),
        method_(method),
        request_table_(MessageTable::Of(method.request_type->GetDescriptor())),
        response_table_(
            MessageTable::Of(method.response_type->GetDescriptor())),
        binds_query_(endpoint.method() == "GET"),
        wants_json_type_(endpoint.method() == "POST" ||
                         endpoint.method() == "PUT"),
        is_about_files_(method.descriptor->service()->name() ==
                        "ArtifactService") {}

  bool is_transfer() const override { return is_about_files_; }
  std::string name() const override { return RpcName(method_); }

  HttpReply Answer(const Request& request, std::string* body) const override {
    alignas(std::max_align_t) std::array<char, kArenaBytes> block;
    ArenaOptions arena_options;
    arena_options.initial_block = block.data();
    arena_options.initial_block_size = block.size();
    arena_options.max_block_size = kArenaBlockBytesMax;
    Arena arena(arena_options);
    Message* message = method_.request_type->New(&arena);
    const size_t body_bytes = body->size();
    absl::Status status = Bind(request, body, message);
    if (!status.ok()) return ErrorReply(status);
    server::CallContext context(server::Door::kRest);
    FillContext(request, &context);
    context.set_request_bytes(body_bytes);
    Message* response = method_.response_type->New(&arena);
    status = dispatcher_->Call(context, method_, *message, response);
    if (!status.ok()) return ErrorReply(status);
    std::string json;
    WriteJson(*response, response_table_, &json);
    return JsonReply(200, std::move(json));
  }

 private:
  absl::Status Bind(const Request& request, std::string* body,
                    Message* message) const {
    if (binds_query_ && !request.head.query.empty()) {
      ASSIGN_OR_RETURN(const QueryParameters parameters,
                       ParseQuery(request.head.query));
      RETURN_IF_ERROR(BindQuery(parameters, request_table_, message));
    } else {
      if (wants_json_type_) RETURN_IF_ERROR(CheckJsonType(request.head));
      RETURN_IF_ERROR(DecodeJson(body, request_table_, message));
    }
    return BindVariables(request.variables, request_table_, message);
  }

  server::Dispatcher* const dispatcher_;
  const server::Method& method_;
  const MessageTable& request_table_;
  const MessageTable& response_table_;
  const bool binds_query_;
  const bool wants_json_type_;
  const bool is_about_files_;
};

}  // namespace

std::shared_ptr<const Handler> MakeUnaryHandler(
    server::Dispatcher* dispatcher, const server::Method& method,
    const v1::Endpoint& endpoint) {
  return std::make_shared<UnaryHandler>(dispatcher, method, endpoint);
}

}  // namespace millstream::gateway
