#include "gateway/forwarded.h"

#include <string>
#include <vector>

#include "base/limits.h"
#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

using Headers =
    std::vector<std::pair<std::string_view, std::string_view>>;

const Headers kAll = {{"Host", "inner:5000"},
                      {"X-Forwarded-For", "6.6.6.6, 9.9.9.9"},
                      {"X-Forwarded-Proto", "https"},
                      {"X-Forwarded-Host", "tracking.example.com"},
                      {"X-Forwarded-Prefix", "/ml/"}};

Origination Of(std::vector<std::string> trusted, std::string_view peer,
               Headers headers, bool secure = false) {
  auto forwarded = Forwarded::Create(trusted, secure);
  EXPECT_TRUE(forwarded.ok()) << forwarded.status();
  RequestHead head;
  head.peer = peer;
  head.headers = std::move(headers);
  return forwarded->Of(head);
}

TEST(ForwardedTest, NobodyIsBelievedUnlessTold) {
  for (const auto& trusted :
       {std::vector<std::string>(), {"10.0.0.0/8", "127.0.0.2"}}) {
    const Origination from = Of(trusted, "127.0.0.1:77", kAll);
    EXPECT_EQ(from.peer, "127.0.0.1:77");
    EXPECT_EQ(from.scheme, "http");
    EXPECT_EQ(from.host, "inner:5000");
    EXPECT_EQ(from.prefix, "");
  }
  EXPECT_EQ(Of({}, "127.0.0.1:77", kAll, true).scheme, "https");
}

TEST(ForwardedTest, TrustedProxiesAreBelieved) {
  const Origination from = Of({"10.0.0.0/8"}, "10.1.2.3:77", kAll);
  EXPECT_EQ(from.peer, "9.9.9.9");
  EXPECT_EQ(from.scheme, "https");
  EXPECT_EQ(from.host, "tracking.example.com");
  EXPECT_EQ(from.prefix, "/ml");
}

// What a caller sent himself stands in front of what the proxies added.
TEST(ForwardedTest, TheCallerIsTheLastThatIsNoProxy) {
  const auto peer = [](std::string_view hops) {
    return Of({"10.0.0.0/8", "::1"}, "::1:77", {{"X-Forwarded-For", hops}})
        .peer;
  };
  EXPECT_EQ(peer("6.6.6.6, 9.9.9.9, 10.0.0.1,10.0.0.2"), "9.9.9.9");
  EXPECT_EQ(peer("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(peer("nonsense, 10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(peer("9.9.9.9, nonsense"), "::1:77");
  EXPECT_EQ(peer(""), "::1:77");
  std::string many = "9.9.9.9";
  for (size_t i = 0; i < limits::kForwardedHopsMax; ++i) many += ",10.0.0.1";
  EXPECT_EQ(peer(many), "10.0.0.1");
  EXPECT_EQ(Of({"::1"}, "::1:77",
               {{"X-Forwarded-For", "1.1.1.1"}, {"x-forwarded-for", "2.2.2.2"}})
                .peer,
            "2.2.2.2");
}

TEST(ForwardedTest, NonsenseIsNotTaken) {
  const Origination from = Of({"::1"}, "::1:77",
                              {{"Host", "inner"},
                               {"X-Forwarded-Proto", "javascript"},
                               {"X-Forwarded-Host", "a b"},
                               {"X-Forwarded-Prefix", "//evil.example"}});
  EXPECT_EQ(from.scheme, "http");
  EXPECT_EQ(from.host, "inner");
  EXPECT_EQ(from.prefix, "");
}

TEST(ForwardedTest, AFaultNamesTheFlag) {
  const auto forwarded = Forwarded::Create({"proxy.example"}, false);
  EXPECT_NE(forwarded.status().message().find("--trusted-proxies"),
            absl::string_view::npos);
}

}  // namespace
}  // namespace millstream::gateway
