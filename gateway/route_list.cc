#include "gateway/route_list.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "base/str_cat.h"
#include "gateway/raw_routes.h"
#include "gateway/rest_options.h"
#include "gateway/rpc_routes.h"
#include "google/protobuf/descriptor.h"
#include "millstream/v1/artifacts.pb.h"
#include "millstream/v1/registry.pb.h"
#include "millstream/v1/streams.pb.h"
#include "millstream/v1/tracking.pb.h"
#include "millstream/v1/users.pb.h"

namespace millstream::gateway {
namespace {

using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// The services, in the order they are shown.
std::vector<const ServiceDescriptor*> Services() {
  std::vector<const ServiceDescriptor*> services;
  for (const FileDescriptor* file :
       {v1::GetRunRequest::descriptor()->file(),
        v1::GetModelVersionRequest::descriptor()->file(),
        v1::ListArtifactsRequest::descriptor()->file(),
        v1::LogMetricsRequest::descriptor()->file(),
        v1::CreateUserRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      services.push_back(file->service(i));
    }
  }
  return services;
}

// Path, method, what answers.
using Line = std::tuple<std::string, std::string, std::string>;

std::vector<Line> RawRoutes() {
  RouteTableBuilder builder;
  AddRawRoutes(RestOptions(), &builder);
  const auto table = std::move(builder).Build();
  std::vector<Line> lines;
  if (!table.ok()) return {Line(table.status().ToString(), "", "")};
  for (const Route& route : (*table)->routes()) {
    lines.emplace_back(route.path.text(), route.method,
                       route.handler->name());
  }
  return lines;
}

// "GET `/api/2.0/a`, `/ajax-api/2.0/a`", a method at a time.
std::string RoutesAsCell(const MethodDescriptor& rpc) {
  std::map<std::string, std::string> by_method;
  for (const RpcRoute& route : RoutesOf("", rpc)) {
    std::string& paths = by_method[route.endpoint->method()];
    StrAppend(&paths, paths.empty() ? "" : ", ", "`", route.path, "`");
  }
  std::string cell;
  for (const auto& [method, paths] : by_method) {
    StrAppend(&cell, cell.empty() ? "" : "; ", method, " ", paths);
  }
  return cell.empty() ? "gRPC only" : cell;
}

constexpr char kIntroduction[] =
    R"(# What of MLflow's API is here

Made from the route table by `bazel run //gateway:route_list -- coverage`; a
test compares. Every rpc is served by gRPC as well, under its name. With
`--static-prefix` all paths lie below it (the artifact proxy's also where they
are). UserService is there with `--app-name basic-auth`, and so is the page
/signup.

)";

}  // namespace

std::string ListRoutes() {
  std::vector<Line> lines = RawRoutes();
  for (const ServiceDescriptor* service : Services()) {
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor& rpc = *service->method(i);
      for (const RpcRoute& route : RoutesOf("", rpc)) {
        lines.emplace_back(route.path, route.endpoint->method(),
                           StrCat(service->name(), ".", rpc.name()));
      }
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const auto& [path, method, answerer] : lines) {
    StrAppend(&text, method, " ", path, " -> ", answerer, "\n");
  }
  return text;
}

std::string ApiCoverage() {
  std::string text = kIntroduction;
  for (const ServiceDescriptor* service : Services()) {
    StrAppend(&text, "## ", service->full_name(), "\n\n",
              "| rpc | over HTTP |\n| --- | --- |\n");
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor& rpc = *service->method(i);
      StrAppend(&text, "| ", rpc.name(), " | ", RoutesAsCell(rpc), " |\n");
    }
    text += "\n";
  }
  text +=
      "## Routes that are no rpc\n\n"
      "\"none of them\" answers the UI's questions about parts of MLflow that "
      "are not here\nwith an empty list; \"not implemented\" refuses to write "
      "to them (501).\n\n"
      "| route | answer |\n| --- | --- |\n";
  for (const auto& [path, method, answerer] : RawRoutes()) {
    StrAppend(&text, "| ", method, " `", path, "` | ", answerer, " |\n");
  }
  return text;
}

}  // namespace millstream::gateway
