#include "gateway/security.h"

#include <string>

#include "gtest/gtest.h"

namespace millstream::gateway {
namespace {

using Headers =
    std::vector<std::pair<std::string_view, std::string_view>>;

RequestHead Head(std::string_view method, Headers headers) {
  RequestHead head;
  head.method = method;
  head.raw_path = "/x";
  head.path = "/x";
  head.headers = std::move(headers);
  return head;
}

class SecurityTest : public testing::Test {
 protected:
  const Security& security() {
    if (security_ == nullptr) {
      auto made = Security::Create(options_);
      EXPECT_TRUE(made.ok()) << made.status();
      security_ = *std::move(made);
    }
    return *security_;
  }
  std::optional<HttpReply> Check(const RequestHead& head,
                                 Security::Path path) {
    return security().Check(
        head, std::string(head.Header("host").value_or("")), path);
  }
  bool HostPasses(std::string_view host) {
    return !Check(Head("GET", {{"Host", host}}), Security::Path::kOrdinary)
                .has_value();
  }
  bool ChangePasses(std::string_view origin,
                    std::string_view host = "localhost:5000") {
    return !Check(Head("POST", {{"Host", host}, {"Origin", origin}}),
                       Security::Path::kOrdinary)
                .has_value();
  }

  RestOptions options_;
  std::unique_ptr<Security> security_;
};

TEST_F(SecurityTest, ByDefaultThisMachineAndPrivateAddressesAreNames) {
  for (const char* host : {"localhost", "localhost:5000", "127.0.0.1:1",
                           "[::1]:5000", "192.168.1.5:5000", "10.0.0.1"}) {
    EXPECT_TRUE(HostPasses(host)) << host;
  }
  for (const char* host : {"evil.example", "10.evil.example", "", "8.8.8.8",
                           "localhost.evil", "192.168.1.5.evil:5000"}) {
    EXPECT_FALSE(HostPasses(host)) << host;
  }
}

TEST_F(SecurityTest, RefusalsNameTheFlag) {
  const auto host =
      Check(Head("GET", {{"Host", "x"}}), Security::Path::kOrdinary);
  ASSERT_TRUE(host.has_value());
  EXPECT_EQ(host->status, 403);
  EXPECT_EQ(host->content_type, "text/plain");
  EXPECT_NE(host->body.find("--allowed-hosts"), std::string::npos);
  const auto origin = Check(
      Head("DELETE", {{"Host", "localhost"}, {"Origin", "http://x"}}),
      Security::Path::kOrdinary);
  ASSERT_TRUE(origin.has_value());
  EXPECT_NE(origin->body.find("--cors-allowed-origins"), std::string::npos);
}

TEST_F(SecurityTest, ProbesAreAnsweredUnderAnyName) {
  EXPECT_FALSE(Check(Head("GET", {{"Host", "evil.example"}}),
                          Security::Path::kProbe)
                   .has_value());
}

TEST_F(SecurityTest, AllowedHostsReplaceTheDefault) {
  options_.allowed_hosts = {"mlflow.example.com", "*.Lab.example",
                            "10.1.0.0/16", "one.example:8080", "192.168.*"};
  for (const char* host :
       {"mlflow.example.com", "MLFLOW.example.com:443", "a.lab.example",
        "10.1.2.3:5000", "one.example:8080", "192.168.7.7"}) {
    EXPECT_TRUE(HostPasses(host)) << host;
  }
  for (const char* host :
       {"localhost", "lab.example", "10.2.0.1", "one.example:80",
        "192.168.evil.example", "xmlflow.example.com"}) {
    EXPECT_FALSE(HostPasses(host)) << host;
  }
}

TEST_F(SecurityTest, AStarAllowsAnyHost) {
  options_.allowed_hosts = {"*"};
  EXPECT_TRUE(HostPasses("evil.example"));
  // But then a page that rebinds its name is still no page of ours.
  EXPECT_FALSE(ChangePasses("http://evil.example", "evil.example"));
}

TEST_F(SecurityTest, AStarAllowsOwnPagesThatNeedAPassword) {
  options_.allowed_hosts = {"*"};
  options_.asks_for_credentials = true;
  EXPECT_TRUE(ChangePasses("https://a.example", "a.example"));
  EXPECT_FALSE(ChangePasses("https://evil.example", "a.example"));
}

TEST_F(SecurityTest, ChangesComeFromKnownOrigins) {
  EXPECT_TRUE(ChangePasses("http://localhost:3000"));
  EXPECT_TRUE(ChangePasses(""));
  EXPECT_TRUE(ChangePasses("http://127.0.0.1:8080"));
  EXPECT_TRUE(ChangePasses("http://192.168.1.5:5000", "192.168.1.5:5000"));
  EXPECT_FALSE(ChangePasses("http://192.168.1.6:5000", "192.168.1.5:5000"));
  EXPECT_FALSE(ChangePasses("http://evil.example"));
  EXPECT_FALSE(ChangePasses("null"));
  EXPECT_FALSE(ChangePasses("http://localhost.evil"));
}

TEST_F(SecurityTest, OriginsCanBeAllowed) {
  options_.cors_allowed_origins = {"https://ui.example.com",
                                   "https://*.lab.example"};
  EXPECT_TRUE(ChangePasses("https://ui.example.com"));
  EXPECT_TRUE(ChangePasses("https://a.lab.example"));
  EXPECT_FALSE(ChangePasses("http://ui.example.com"));
}

TEST_F(SecurityTest, ReadingIsNotRefusedButNotSharedEither) {
  const RequestHead head =
      Head("GET", {{"Host", "localhost"}, {"Origin", "http://evil.example"}});
  EXPECT_FALSE(
      Check(head, Security::Path::kOrdinary).has_value());
  std::string headers;
  security().AppendHeaders(head, &headers);
  EXPECT_EQ(headers.find("Allow-Origin"), std::string::npos);
}

TEST_F(SecurityTest, AnyOriginMeansNoCredentials) {
  options_.cors_allowed_origins = {"*"};
  const RequestHead head =
      Head("POST", {{"Host", "localhost"}, {"Origin", "http://x.example"}});
  EXPECT_FALSE(
      Check(head, Security::Path::kOrdinary).has_value());
  std::string headers;
  security().AppendHeaders(head, &headers);
  EXPECT_NE(headers.find("Access-Control-Allow-Origin: *\r\n"),
            std::string::npos);
  EXPECT_EQ(headers.find("Credentials"), std::string::npos);
}

TEST_F(SecurityTest, PreflightsAreAnswered) {
  const auto preflight = [&](std::string_view origin,
                             std::string_view method) {
    return security().Preflight(
        Head("OPTIONS", {{"Host", "localhost"},
                         {"Origin", origin},
                         {"Access-Control-Request-Method", method},
                         {"Access-Control-Request-Headers", "x-a, x-b"}}));
  };
  const auto good = preflight("http://localhost:3000", "POST");
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->status, 200);
  EXPECT_EQ(preflight("http://evil.example", "POST")->status, 400);
  EXPECT_EQ(preflight("http://localhost", "TRACE")->status, 400);
  EXPECT_FALSE(security()
                   .Preflight(Head("OPTIONS", {{"Host", "localhost"}}))
                   .has_value());
}

TEST_F(SecurityTest, DisabledItChecksNothing) {
  options_.disable_security_middleware = true;
  EXPECT_TRUE(HostPasses("evil.example"));
  EXPECT_TRUE(ChangePasses("http://evil.example"));
  std::string headers;
  security().AppendHeaders(Head("GET", {}), &headers);
  EXPECT_EQ(headers, "X-Content-Type-Options: nosniff\r\n");
}

TEST_F(SecurityTest, BadOptionsAreRefused) {
  const auto refused = [](std::vector<std::string> hosts,
                          std::vector<std::string> origins,
                          std::string frames = "DENY") {
    RestOptions options;
    options.allowed_hosts = std::move(hosts);
    options.cors_allowed_origins = std::move(origins);
    options.x_frame_options = std::move(frames);
    return Security::Create(options).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused({}, {}));
  EXPECT_TRUE(refused({"10.0.0.0/99"}, {}));
  EXPECT_TRUE(refused({""}, {}));
  EXPECT_TRUE(refused({"[::1"}, {}));
  EXPECT_TRUE(refused({}, {"example.com"}));
  EXPECT_TRUE(refused({}, {}, "MAYBE"));
}

}  // namespace
}  // namespace millstream::gateway
