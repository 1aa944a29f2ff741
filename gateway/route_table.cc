#include "gateway/route_table.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_join.h"
#include "base/str_cat.h"

namespace millstream::gateway {
namespace {

// Which of two templates with variables says more about a path.
auto Weight(const PathTemplate& path) {
  const auto segments = std::count(path.text().begin(), path.text().end(), '/');
  return std::tuple(-segments, path.variables().size(), path.text());
}

// Whether it is plain which of the two is meant where both fit.
bool Ranked(const PathTemplate& a, const PathTemplate& b) {
  if (a.variables().empty() != b.variables().empty()) return true;
  const auto segments = [](const PathTemplate& path) {
    return std::count(path.text().begin(), path.text().end(), '/');
  };
  return segments(a) != segments(b) ||
         a.variables().size() != b.variables().size();
}

}  // namespace

void RouteTableBuilder::Add(std::string_view method, std::string_view path,
                            std::shared_ptr<const Handler> handler) {
  absl::StatusOr<PathTemplate> parsed = PathTemplate::Parse(path);
  if (!parsed.ok()) {
    faults_.push_back(
        StrCat(handler->name(), ": ", parsed.status().message()));
    return;
  }
  for (const Route& other : routes_) {
    if (other.method == method && other.path.Overlaps(*parsed) &&
        !Ranked(other.path, *parsed)) {
      faults_.push_back(StrCat(method, " ", path, " of ", handler->name(),
                               " is ", other.path.text(), " of ",
                               other.handler->name(), " already."));
      return;
    }
  }
  routes_.push_back(
      {std::string(method), *std::move(parsed), std::move(handler)});
}

void RouteTableBuilder::AddBound(std::string_view method,
                                 std::string_view path,
                                 const MessageTable& message,
                                 std::shared_ptr<const Handler> handler) {
  if (const absl::StatusOr<PathTemplate> parsed = PathTemplate::Parse(path);
      parsed.ok()) {
    for (const std::string& name : parsed->variables()) {
      const FieldInfo* field = message.FindByName(name);
      if (field == nullptr || field->repeated || field->message != nullptr) {
        faults_.push_back(StrCat(path, " of ", handler->name(),
                                 ": the request has no field ", name, "."));
      }
    }
  }
  Add(method, path, std::move(handler));
}

absl::StatusOr<std::unique_ptr<RouteTable>> RouteTableBuilder::Build() && {
  if (!faults_.empty()) {
    return absl::InternalError(absl::StrJoin(faults_, "\n"));
  }
  auto table = std::make_unique<RouteTable>();
  table->routes_ = std::move(routes_);
  std::sort(table->routes_.begin(), table->routes_.end(),
            [](const Route& a, const Route& b) {
              return std::tie(a.path.text(), a.method) <
                     std::tie(b.path.text(), b.method);
            });
  const std::vector<Route>& routes = table->routes_;
  for (int i = 0; i < static_cast<int>(routes.size()); ++i) {
    if (routes[i].path.variables().empty()) {
      table->fixed_[routes[i].path.text()].push_back(i);
    } else {
      table->variable_.push_back(i);
    }
  }
  std::stable_sort(table->variable_.begin(), table->variable_.end(),
                   [&](int a, int b) {
                     return Weight(routes[a].path) < Weight(routes[b].path);
                   });
  return table;
}

RouteTable::Found RouteTable::Find(std::string_view method,
                                   std::string_view path) const {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  Found found;
  const auto fixed = fixed_.find(path);
  if (fixed != fixed_.end()) {
    for (const int i : fixed->second) {
      if (routes_[i].method == wanted) {
        found.route = &routes_[i];
        return found;
      }
      found.allowed.push_back(routes_[i].method);
    }
  }
  for (const int i : variable_) {
    if (!routes_[i].path.Match(path, &found.variables)) continue;
    if (routes_[i].method == wanted) {
      found.route = &routes_[i];
      found.allowed.clear();
      return found;
    }
    found.allowed.push_back(routes_[i].method);
  }
  found.variables.clear();
  if (!found.allowed.empty()) {
    std::vector<std::string_view>& allowed = found.allowed;
    if (std::find(allowed.begin(), allowed.end(), "GET") != allowed.end()) {
      allowed.push_back("HEAD");
    }
    allowed.push_back("OPTIONS");
    std::sort(allowed.begin(), allowed.end());
    allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
  }
  return found;
}

}  // namespace millstream::gateway
