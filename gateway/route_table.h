// Which handler answers which method and path.
#ifndef MILLSTREAM_GATEWAY_ROUTE_TABLE_H_
#define MILLSTREAM_GATEWAY_ROUTE_TABLE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/handler.h"
#include "gateway/json/message_table.h"
#include "gateway/path_template.h"

namespace millstream::gateway {

struct Route {
  std::string method;
  PathTemplate path;
  std::shared_ptr<const Handler> handler;
};

class RouteTable;

// Collects routes. Not thread-safe.
class RouteTableBuilder {
 public:
  // A fault (a template that is none, a method and path taken already) is kept
  // for Build() to report.
  void Add(std::string_view method, std::string_view path,
           std::shared_ptr<const Handler> handler);

  // The same for a handler that sets the path's variables in a message: each
  // must name a scalar field of it.
  void AddBound(std::string_view method, std::string_view path,
                const MessageTable& message,
                std::shared_ptr<const Handler> handler);

  // INTERNAL, naming all faults, if there were any.
  absl::StatusOr<std::unique_ptr<RouteTable>> Build() &&;

 private:
  std::vector<Route> routes_;
  std::vector<std::string> faults_;
};

// Immutable and thread-safe.
//
// A path finds the template that says most about it: one without variables
// before one with, a longer one before a shorter. Two templates of one method
// may fit one path only so.
class RouteTable {
 public:
  struct Found {
    // Null if no route fits the path and the method.
    const Route* route = nullptr;
    PathVariables variables;
    // Methods that have a route for the path, sorted, with HEAD where GET is,
    // and OPTIONS: what "Allow" says. Empty if no route fits the path. Filled
    // only where `route` is null.
    std::vector<std::string_view> allowed;
  };

  // HEAD finds what GET finds. Paths are compared as they are: "/a/" and
  // "//a" are not "/a".
  Found Find(std::string_view method, std::string_view path) const;

  // Sorted by path, then method.
  const std::vector<Route>& routes() const { return routes_; }

 private:
  friend class RouteTableBuilder;

  std::vector<Route> routes_;
  // Positions in routes_ of the templates without variables, by path.
  absl::flat_hash_map<std::string_view, std::vector<int>> fixed_;
  // Of the others, in the order they are tried.
  std::vector<int> variable_;
};

}  // namespace millstream::gateway

#endif  // MILLSTREAM_GATEWAY_ROUTE_TABLE_H_
