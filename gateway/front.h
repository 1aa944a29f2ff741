// From a request's head to its handler: checks, then routing.
#ifndef MILLSTREAM_GATEWAY_FRONT_H_
#define MILLSTREAM_GATEWAY_FRONT_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "gateway/forwarded.h"
#include "gateway/handler.h"
#include "gateway/rest_options.h"
#include "gateway/route_table.h"
#include "gateway/security.h"
#include "server/dispatcher.h"

namespace millstream::gateway {

// Immutable and thread-safe.
class Front {
 public:
  // As RestDoor::Start(). `dispatcher` must outlive this.
  static absl::StatusOr<std::unique_ptr<Front>> Create(
      const RestOptions& options, server::Dispatcher* dispatcher);

  // What is to happen with a request.
  struct Plan {
    // The answer, if it is known already; else the handler, with what it is
    // to be called with besides the head.
    std::optional<HttpReply> reply;
    const Handler* handler = nullptr;
    PathVariables variables;
    std::string base_url;
    // "address:port" of the caller, or what a proxy says it is.
    std::string peer;
    // Whoever asks must say who it is before any of this is done.
    bool guarded = false;
    // Somebody looks whether the server is well; nobody counts that.
    bool is_probe = false;
  };
  Plan Begin(const RequestHead& head) const;

  // Whom to ask about callers of what is guarded.
  auth::Gate* gate() const { return gate_; }

  // Header lines that the answer to `head` has whatever it is.
  void AppendCommonHeaders(const RequestHead& head, std::string* out) const {
    security_->AppendHeaders(head, out);
  }

  const RouteTable& routes() const { return *routes_; }

 private:
  Plan Route(const RequestHead& head, const Origination& from) const;
  Plan WithoutRoute(const RequestHead& head, const Origination& from,
                    const RouteTable::Found& found) const;
  bool IsApiPath(std::string_view path) const;

  std::string static_prefix_;
  Forwarded forwarded_;
  // Null if callers are not asked who they are.
  auth::Gate* gate_ = nullptr;
  std::unique_ptr<Security> security_;
  std::unique_ptr<RouteTable> routes_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_FRONT_H_
