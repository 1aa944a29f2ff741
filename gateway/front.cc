#include "gateway/front.h"

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/str_cat.h"
#include "gateway/error_body.h"
#include "gateway/graphql_route.h"
#include "gateway/raw_routes.h"
#include "gateway/rpc_routes.h"
#include "gateway/url.h"

namespace millstream::gateway {
namespace {

absl::Status CheckPrefix(std::string_view prefix) {
  if (prefix.empty()) return absl::OkStatus();
  if (prefix.front() != '/' || prefix.back() == '/' ||
      prefix.find_first_of("{}%?#") != std::string_view::npos ||
      prefix.find("//") != std::string_view::npos) {
    return absl::InvalidArgumentError(
        StrCat("--static-prefix: \"", prefix,
               "\" must start with \"/\", not end with it, and be plain."));
  }
  return absl::OkStatus();
}

std::string WithoutDoubleSlashes(std::string_view path) {
  std::string single;
  for (const char c : path) {
    if (c == '/' && !single.empty() && single.back() == '/') continue;
    single.push_back(c);
  }
  return single;
}

HttpReply Redirect(std::string_view path, std::string_view query) {
  HttpReply reply = HtmlError(308, "This page has another address.");
  std::string location = EncodePath(path);
  if (!query.empty()) StrAppend(&location, "?", query);
  reply.AddHeader("Location", std::move(location));
  return reply;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Front>> Front::Create(
    const RestOptions& options, server::Dispatcher* dispatcher) {
  RETURN_IF_ERROR(CheckPrefix(options.static_prefix));
  auto front = std::make_unique<Front>();
  front->gate_ = dispatcher->gate();
  front->static_prefix_ = options.static_prefix;
  ASSIGN_OR_RETURN(front->forwarded_,
                   Forwarded::Create(options.trusted_proxies,
                                     !options.tls.certificate.empty()));
  ASSIGN_OR_RETURN(front->security_, Security::Create(options));
  RouteTableBuilder routes;
  AddRpcRoutes(options.static_prefix, dispatcher, &routes);
  AddGraphqlRoute(options.static_prefix, dispatcher, &routes);
  AddRawRoutes(options, &routes);
  ASSIGN_OR_RETURN(front->routes_, std::move(routes).Build());
  return front;
}

bool Front::IsApiPath(std::string_view path) const {
  const auto below = [&](std::string_view prefix, std::string_view root) {
    return absl::StartsWith(AbslView(path), StrCat(prefix, root));
  };
  return below(static_prefix_, "/api/") || below(static_prefix_, "/ajax-api/");
}

Front::Plan Front::Begin(const RequestHead& head) const {
  const bool probe = head.path == StrCat(static_prefix_, "/health") ||
                     head.path == StrCat(static_prefix_, "/version");
  Origination from = forwarded_.Of(head);
  Plan plan;
  plan.peer = from.peer;
  plan.reply = security_->Check(
      head, from.host,
      probe ? Security::Path::kProbe : Security::Path::kOrdinary);
  if (plan.reply.has_value()) return plan;
  plan.reply = security_->Preflight(head);
  if (plan.reply.has_value()) return plan;
  plan = Route(head, from);
  plan.is_probe = probe || head.path == kMonitorPath;
  plan.peer = std::move(from.peer);
  plan.guarded = gate_ != nullptr &&
                 (plan.handler == nullptr || !plan.handler->is_open());
  return plan;
}

Front::Plan Front::Route(const RequestHead& head,
                         const Origination& from) const {
  Plan plan;
  if (const auto workspace = head.Header("x-mlflow-workspace");
      workspace.has_value() && !workspace->empty() &&
      !absl::EndsWith(head.path, "/mlflow/server-info")) {
    plan.reply = ErrorReply(
        MakeError(v1::FEATURE_DISABLED,
                  "This server has no workspaces; send no "
                  "X-MLFLOW-WORKSPACE header (unset MLFLOW_WORKSPACE)."));
    return plan;
  }
  RouteTable::Found found = routes_->Find(head.method, head.path);
  if (found.route == nullptr) return WithoutRoute(head, from, found);
  // A variable that begins with "/" stands in the path as "//".
  if (!found.variables.empty() &&
      found.variables.back().second.starts_with('/') &&
      !found.route->handler->takes_leading_slash()) {
    plan.reply = Redirect(StrCat(from.prefix, WithoutDoubleSlashes(head.path)),
                          head.query);
    return plan;
  }
  plan.handler = found.route->handler.get();
  plan.variables = std::move(found.variables);
  plan.base_url = StrCat(from.scheme, "://", from.host, from.prefix,
                         static_prefix_);
  return plan;
}

Front::Plan Front::WithoutRoute(const RequestHead& head,
                                const Origination& from,
                                const RouteTable::Found& found) const {
  Plan plan;
  // Beside the prefix there is only what the reference streams, and to it
  // other methods find nothing there.
  const bool below_prefix =
      static_prefix_.empty() ||
      absl::StartsWith(AbslView(head.path), StrCat(static_prefix_, "/"));
  if (below_prefix && !found.allowed.empty()) {
    std::string allowed = absl::StrJoin(
        found.allowed, ", ", [](std::string* out, std::string_view method) {
          out->append(method);
        });
    if (head.method == "OPTIONS") {
      plan.reply.emplace();
      plan.reply->status = IsApiPath(head.path) ? 204 : 200;
      plan.reply->content_type = "text/html; charset=utf-8";
    } else {
      plan.reply =
          HtmlError(405, StrCat("This address takes ", allowed, "."));
    }
    plan.reply->AddHeader("Allow", std::move(allowed));
    return plan;
  }
  // The UI's address without its last slash, and addresses with slashes too
  // many, are known by another name.
  std::string other = head.path == static_prefix_ && !head.path.empty()
                          ? StrCat(static_prefix_, "/")
                          : WithoutDoubleSlashes(head.path);
  if (other != head.path) {
    RouteTable::Found there = routes_->Find(head.method, other);
    if (there.route != nullptr) {
      plan.reply = Redirect(StrCat(from.prefix, other), head.query);
      return plan;
    }
    if (below_prefix && !there.allowed.empty()) {
      return WithoutRoute(head, from, there);
    }
  }
  plan.reply = HtmlError(
      404, "There is nothing at this address. Check it for mistakes.");
  return plan;
}

}  // namespace millstream::gateway
