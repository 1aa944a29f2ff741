#include "gateway/graphql_route.h"

#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/str_cat.h"
#include "gateway/error_body.h"
#include "gateway/graphql/graphql.h"
#include "gateway/rpc_binding.h"

namespace millstream::gateway {
namespace {

class GraphqlHandler final : public Handler {
 public:
  explicit GraphqlHandler(server::Dispatcher* dispatcher)
      : dispatcher_(dispatcher) {}

  std::string name() const override { return "graphql"; }

  HttpReply Answer(const Request& request, std::string* body) const override {
    if (request.head.method != "POST") {
      return ErrorReply(InvalidParameter(
          "Send GraphQL queries by POST, as JSON with a member 'query'."));
    }
    if (absl::Status status = CheckJsonType(request.head); !status.ok()) {
      return ErrorReply(status);
    }
    server::CallContext context(server::Door::kRest);
    FillContext(request, &context);
    absl::StatusOr<std::string> answer =
        graphql::Answer(*body, context, dispatcher_);
    if (!answer.ok()) return ErrorReply(answer.status());
    return JsonReply(200, *std::move(answer));
  }

 private:
  server::Dispatcher* const dispatcher_;
};

}  // namespace

void AddGraphqlRoute(std::string_view prefix, server::Dispatcher* dispatcher,
                     RouteTableBuilder* routes) {
  const auto handler = std::make_shared<GraphqlHandler>(dispatcher);
  const std::string path = StrCat(prefix, "/graphql");
  routes->Add("POST", path, handler);
  routes->Add("GET", path, handler);
}

}  // namespace millstream::gateway
