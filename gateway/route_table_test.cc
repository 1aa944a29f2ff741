#include "gateway/route_table.h"

#include <string>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "millstream/v1/tracking.pb.h"

namespace millstream::gateway {
namespace {

class NamedHandler final : public Handler {
 public:
  explicit NamedHandler(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }

 private:
  const std::string name_;
};

std::shared_ptr<const Handler> Named(std::string name) {
  return std::make_shared<NamedHandler>(std::move(name));
}

// Name of the handler found, or the methods allowed in brackets.
std::string Find(const RouteTable& table, std::string_view method,
                 std::string_view path) {
  const RouteTable::Found found = table.Find(method, path);
  if (found.route != nullptr) return found.route->handler->name();
  std::string allowed;
  for (const std::string_view one : found.allowed) {
    allowed += allowed.empty() ? "" : " ";
    allowed += one;
  }
  return "[" + allowed + "]";
}

TEST(RouteTable, FindsByMethodAndPath) {
  RouteTableBuilder builder;
  builder.Add("GET", "/a", Named("get"));
  builder.Add("POST", "/a", Named("post"));
  builder.Add("PATCH", "/b", Named("patch"));
  const auto table = std::move(builder).Build();
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(Find(**table, "GET", "/a"), "get");
  EXPECT_EQ(Find(**table, "HEAD", "/a"), "get");
  EXPECT_EQ(Find(**table, "POST", "/a"), "post");
  EXPECT_EQ(Find(**table, "PUT", "/a"), "[GET HEAD OPTIONS POST]");
  EXPECT_EQ(Find(**table, "HEAD", "/b"), "[OPTIONS PATCH]");
  EXPECT_EQ(Find(**table, "GET", "/c"), "[]");
}

TEST(RouteTable, TheTemplateThatSaysMoreWins) {
  RouteTableBuilder builder;
  builder.Add("GET", "/m/{id}", Named("one"));
  builder.Add("POST", "/m/search", Named("search"));
  builder.Add("GET", "/m/{path=**}", Named("rest"));
  builder.Add("GET", "/m/{id}/x", Named("x"));
  builder.Add("GET", "/m/fixed", Named("fixed"));
  const auto table = std::move(builder).Build();
  EXPECT_FALSE(table.ok()) << "/m/{id} and /m/{path=**} are alike";
}

TEST(RouteTable, FixedPathsGoFirstButDoNotHideOtherMethods) {
  RouteTableBuilder builder;
  builder.Add("GET", "/m/{id}", Named("one"));
  builder.Add("POST", "/m/search", Named("search"));
  builder.Add("GET", "/m/fixed", Named("fixed"));
  builder.Add("GET", "/m/{id}/x", Named("x"));
  const auto table = std::move(builder).Build();
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(Find(**table, "POST", "/m/search"), "search");
  EXPECT_EQ(Find(**table, "GET", "/m/search"), "one");
  EXPECT_EQ(Find(**table, "GET", "/m/fixed"), "fixed");
  EXPECT_EQ(Find(**table, "GET", "/m/1/x"), "x");
  EXPECT_EQ(Find(**table, "PUT", "/m/search"), "[GET HEAD OPTIONS POST]");
}

TEST(RouteTable, VariablesAreReturned) {
  RouteTableBuilder builder;
  builder.Add("GET", "/m/{id}/tags/{key}", Named("tag"));
  const auto table = std::move(builder).Build();
  ASSERT_TRUE(table.ok());
  const RouteTable::Found found = (*table)->Find("GET", "/m/1/tags/k");
  ASSERT_EQ(found.variables.size(), 2u);
  EXPECT_EQ(found.variables[1].first, "key");
  EXPECT_EQ(found.variables[1].second, "k");
}

TEST(RouteTable, ConflictsAndFaultsFailTheBuild) {
  const MessageTable& message =
      MessageTable::Of(v1::GetRunRequest::descriptor());
  RouteTableBuilder builder;
  builder.Add("GET", "/a", Named("first"));
  builder.Add("GET", "/a", Named("second"));
  builder.Add("GET", "no path", Named("third"));
  builder.AddBound("GET", "/r/{nothing}", message, Named("fourth"));
  builder.AddBound("GET", "/s/{run_id}", message, Named("fifth"));
  const absl::Status status = std::move(builder).Build().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  const std::string faults(status.message());
  EXPECT_NE(faults.find("GET /a of second is /a of first"),
            std::string::npos);
  EXPECT_NE(faults.find("third"), std::string::npos);
  EXPECT_NE(faults.find("no field nothing"), std::string::npos);
  EXPECT_EQ(faults.find("fifth"), std::string::npos);
}

}  // namespace
}  // namespace millstream::gateway
